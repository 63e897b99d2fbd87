//! Commands that change more than one command may: what they leave of a file is prepared in steps on a draft that
//! nobody sees, then the command is sent again and takes the draft over.
//!
//! What always holds: nothing is visible before the last command, which does everything or nothing. A file that
//! changes meanwhile makes the steps begin anew, with growing pauses, until the operation's time limit has passed. Each
//! step has that whole limit, because each gets further; the first command keeps its own deadline.
//!
//! Called by [`crate::Client::mutate_any`] and by the commit of content.

use std::time::Duration;

use holdfast_proto::op::{BeginDraft, FillDraft, Op, ReleaseInode, Reply};
use holdfast_proto::status::{Code, Status};
use tokio::time::{Instant, sleep};

use crate::error::ClientError;
use crate::inner::Inner;
use crate::metrics::METRICS;
use crate::sender::Sender;

/// Times the steps begin anew at least because the file changed meanwhile, however long each took.
const ROUNDS: usize = 8;

/// First and longest pause before the steps begin anew: whoever changes the file may have more to do.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Longest wait for the release of a draft that is not needed.
const RELEASE_LIMIT: Duration = Duration::from_secs(1);

/// As `Inner::command`, in steps if it has to be.
pub(crate) async fn command(
    inner: &Inner,
    op: Op,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    command_by(inner, op, Instant::now() + limit, limit, by).await
}

/// As [`command`], with a deadline of its own for the command itself.
pub(crate) async fn command_by(
    inner: &Inner,
    mut op: Op,
    deadline: Instant,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    if op.draft_mut().is_none() {
        return Box::pin(inner.command(op, by, deadline)).await;
    }
    // Boxed, and the rest in a future of its own: callers keep this one on their stacks.
    let reply = Box::pin(inner.command(op.clone(), by, deadline)).await?;
    if code(&reply) != Code::NeedsSteps {
        return Ok(reply);
    }
    Box::pin(until_done(inner, op, reply, limit, by)).await
}

/// Goes on from a refusal with a plan.
async fn until_done(
    inner: &Inner,
    mut op: Op,
    mut reply: Reply,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    let deadline = Instant::now() + limit;
    let (mut pause, longest) = PAUSES;
    for round in 0.. {
        // Looked at first: what the command said without a draft may be its outcome.
        let Some(plan) = reply.steps.take().filter(|_| code(&reply) == Code::NeedsSteps) else {
            return Ok(reply);
        };
        if round >= ROUNDS && Instant::now() >= deadline {
            break;
        }
        match in_steps(inner, &mut op, plan, limit, by).await? {
            // The file changed, or the draft lay too long: what the command says without it decides.
            done if matches!(code(&done), Code::PreconditionFailed | Code::StaleInode) => {
                sleep(inner.jittered(pause)).await;
                pause = (2 * pause).min(longest);
                METRICS.retries.with_label_values(&["command"]).inc();
                reply = inner.command(op.clone(), by, Instant::now() + limit).await?;
            }
            done => return Ok(done),
        }
    }
    let busy =
        Status::busy(Duration::from_secs(1), "the file changes faster than the change can be prepared");
    Err(ClientError::Refused(busy))
}

fn code(reply: &Reply) -> Code {
    reply.status.as_ref().map_or(Code::Ok, Status::kind)
}

/// Prepares the draft and sends the command with it. `op` names no draft before and after.
async fn in_steps(
    inner: &Inner,
    op: &mut Op,
    plan: BeginDraft,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    let begun = inner.command(Op::BeginDraft(plan), by, Instant::now() + limit).await?;
    if code(&begun) != Code::Ok {
        return Ok(begun);
    }
    let draft = begun.id;
    let done = finish(inner, op, draft, limit, by).await;
    if !done.as_ref().is_ok_and(|reply| code(reply) == Code::Ok) {
        // Otherwise it would lie until the leader notices. Whether this succeeds changes nothing for the caller, who
        // has waited long enough.
        let release = Op::ReleaseInode(ReleaseInode { ino: draft });
        if let Err(error) =
            inner.command(release, &Sender::default(), Instant::now() + RELEASE_LIMIT.min(limit)).await
        {
            tracing::debug!(draft, %error, "a draft is left to the leader");
        }
    }
    done
}

async fn finish(
    inner: &Inner,
    op: &mut Op,
    draft: u64,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    loop {
        let filled = inner.command(Op::FillDraft(FillDraft { draft }), by, Instant::now() + limit).await?;
        if code(&filled) != Code::Ok {
            return Ok(filled);
        }
        if filled.progress == 0 {
            break;
        }
    }
    name(op, draft);
    let done = inner.command(op.clone(), by, Instant::now() + limit).await;
    name(op, 0);
    done
}

fn name(op: &mut Op, draft: u64) {
    if let Some(named) = op.draft_mut() {
        *named = draft;
    }
}
