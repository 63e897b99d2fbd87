//! The stream of entries to one member: one message at a time, and none that says only what is committed while entries
//! are about to go that way anyhow.
//!
//! openraft wants a message without entries sent as soon as something more is committed, so that the member may apply
//! it. Under load the next entries follow within a moment and say the same; the message would only cost two processes
//! a wake-up each. So it waits for what comes next, [`NOTICE_WAIT`] at most. Nobody waits for a follower to apply, and a
//! member that becomes leader applies what it has before it serves anybody.
//!
//! What always holds: answers come in the order of the messages, and an answer stands for the messages left out before
//! it. A probe goes at once: the stream ends with it, so nothing comes next.
//!
//! Called by `network.rs`; the rest is what openraft's own sequential stream does.

use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use openraft::base::{BoxFuture, BoxStream};
use openraft::entry::RaftEntry as _;
use openraft::errors::RPCError;
use openraft::network::{RPCOption, RaftNetworkV2};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use tokio::time::Instant;

use super::network::Client;
use super::types::TypeConfig;

/// How long a member may not hear that something is committed. Heartbeats, which say it too, come less often.
const NOTICE_WAIT: Duration = Duration::from_millis(10);

/// What goes to a member.
pub(super) type Message = AppendEntriesRequest<TypeConfig>;

type Answer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

/// The answers to come.
pub(super) type Opening<'s> = BoxFuture<'s, Result<BoxStream<'s, Answer>, RPCError<TypeConfig>>>;

/// Sends `messages` until they end or one is not taken as a whole.
pub(super) fn open<'s, S>(client: &'s mut Client, messages: S, option: RPCOption) -> Opening<'s>
where
    S: Stream<Item = Message> + Send + Unpin + 'static,
{
    // Fused: a message is looked for behind a probe, and the end is asked for again afterwards.
    let begin = Some((client, messages.fuse()));
    let answers = futures::stream::unfold(begin, move |state| {
        let option = option.clone();
        async move {
            let (client, mut messages) = state?;
            let message = next(&mut messages).await?;
            let (answer, whole) = exchange(client, message, option).await;
            Some((answer, whole.then_some((client, messages))))
        }
    });
    let answers: BoxStream<'s, Answer> = Box::pin(answers);
    std::future::ready(Ok(answers)).boxed()
}

/// The next message worth sending.
async fn next<S>(messages: &mut S) -> Option<Message>
where
    S: Stream<Item = Message> + Unpin,
{
    let mut message = messages.next().await?;
    let until = Instant::now() + NOTICE_WAIT;
    while message.entries.is_empty() {
        match tokio::time::timeout_at(until, messages.next()).await {
            // It says what the one before said, and more.
            Ok(Some(next)) => message = next,
            Ok(None) | Err(_) => break,
        }
    }
    Some(message)
}

/// One message and its answer, and whether all of it was taken.
async fn exchange(client: &mut Client, message: Message, option: RPCOption) -> (Answer, bool) {
    let before = message.prev_log_id;
    let last = message.entries.last().map(|entry| entry.log_id()).or(before);
    match client.append_entries(message, option).await {
        Ok(response) => {
            let whole = match &response {
                AppendEntriesResponse::Success => true,
                AppendEntriesResponse::PartialSuccess(taken) => *taken == last,
                AppendEntriesResponse::Conflict | AppendEntriesResponse::HigherVote(_) => false,
            };
            (Ok(response.into_stream_result(before, last)), whole)
        }
        Err(error) => (Err(error), false),
    }
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::{UnboundedSender, unbounded};

    use super::super::types::{Entry, Payload, log_id};
    use super::*;

    fn message(commit: u64, entries: std::ops::Range<u64>) -> Message {
        let entry = |index| Entry { log_id: log_id(1, index), payload: Payload::Blank };
        Message {
            vote: openraft::impls::Vote::new_committed(1, 1),
            prev_log_id: Some(log_id(1, 9)),
            entries: entries.map(entry).collect(),
            leader_commit: Some(log_id(1, commit)),
        }
    }

    fn queue(messages: Vec<Message>) -> (UnboundedSender<Message>, impl Stream<Item = Message> + Unpin) {
        let (queue, stream) = unbounded();
        messages.into_iter().for_each(|message| queue.unbounded_send(message).unwrap());
        (queue, stream.fuse())
    }

    async fn sent(messages: &mut (impl Stream<Item = Message> + Unpin)) -> (usize, u64) {
        let message = next(messages).await.unwrap();
        (message.entries.len(), message.leader_commit.unwrap().index)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_committed_goes_with_the_next_entries() {
        let (_more, mut stream) = queue(vec![message(5, 0..0), message(6, 0..0), message(7, 10..12)]);
        let began = Instant::now();
        assert_eq!(sent(&mut stream).await, (2, 7));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn without_entries_the_newest_word_goes_after_a_while() {
        let (more, mut stream) = queue(vec![message(5, 0..0), message(6, 0..0)]);
        let began = Instant::now();
        assert_eq!(sent(&mut stream).await, (0, 6));
        assert_eq!(began.elapsed(), NOTICE_WAIT);
        more.unbounded_send(message(6, 10..11)).unwrap();
        assert_eq!(sent(&mut stream).await, (1, 6), "the stream goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_goes_at_once() {
        let (more, mut stream) = queue(vec![message(5, 0..0)]);
        drop(more);
        let began = Instant::now();
        assert_eq!(sent(&mut stream).await, (0, 5));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(next(&mut stream).await.is_none());
    }
}
