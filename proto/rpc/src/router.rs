//! The handlers of a process, by method number.
//!
//! What always holds: a router does not change once built; clones share it. A handler gets its request decoded
//! and may be dropped at any await: when its caller cancels, its connection closes, or its deadline passes.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::ids::{NodeId, SessionId};
use holdfast_proto::method::{Class, Method};
use holdfast_proto::status::{Code, Status};
use tokio::time::Instant;

use crate::frame::{self, FLAG_REFUSED, Header, Kind};
use crate::metrics::{self, MethodMetrics};

/// What a handler gets besides the message.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// When the caller stops waiting. Pass it on to calls made on its behalf.
    pub deadline: Instant,
    /// The node that calls; 0: a client.
    pub peer: NodeId,
    /// The session named in its hello; 0: none.
    pub session: SessionId,
    /// Called from within this process.
    pub local: bool,
    /// Number of the request on its connection, for logs.
    pub request_id: u64,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A reply ready to be written: header with message, payload.
pub(crate) struct WireReply {
    pub(crate) head: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) refused: Option<Code>,
}

/// A reply that stays in the process.
pub(crate) type LocalReply = Result<(Box<dyn Any + Send>, Bytes), Status>;

/// A handler whose message types were forgotten.
trait Handler: Send + Sync {
    fn wire(&self, context: Context, message: Bytes, payload: Bytes) -> Boxed<WireReply>;
    fn local(&self, context: Context, request: Box<dyn Any + Send>, payload: Bytes) -> Boxed<LocalReply>;
}

/// One method of a router.
#[derive(Clone)]
pub(crate) struct Entry {
    handler: Arc<dyn Handler>,
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) metrics: Arc<MethodMetrics>,
}

impl Entry {
    /// Runs the handler on an encoded request.
    pub(crate) fn wire(&self, context: Context, message: Bytes, payload: Bytes) -> Boxed<WireReply> {
        self.handler.wire(context, message, payload)
    }

    /// Runs the handler on a request of its own type.
    pub(crate) fn local(
        &self,
        context: Context,
        request: Box<dyn Any + Send>,
        payload: Bytes,
    ) -> Boxed<LocalReply> {
        self.handler.local(context, request, payload)
    }
}

/// The handlers of a process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Router {
    entries: Arc<HashMap<u16, Entry>>,
}

impl Router {
    /// A router without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds (or replaces) the handler of a method, as in `router.on::<Ping, _, _>(handler)`. The handler returns
    /// the reply and its payload, or a refusal.
    #[must_use]
    pub fn on<M, F, Fut>(mut self, handler: F) -> Self
    where
        M: Method,
        F: Fn(Context, M::Request, Bytes) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(M::Reply, Bytes), Status>> + Send + 'static,
    {
        let typed = Typed::<M, F> { handler, method: std::marker::PhantomData };
        let entry = Entry {
            handler: Arc::new(typed),
            name: M::NAME,
            class: M::CLASS,
            metrics: metrics::served(M::NAME),
        };
        Arc::make_mut(&mut self.entries).insert(M::NUMBER, entry);
        self
    }

    /// Both routers' handlers; where both have a method, `other`'s.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        let entries = Arc::make_mut(&mut self.entries);
        for (number, entry) in other.entries.iter() {
            entries.insert(*number, entry.clone());
        }
        self
    }

    /// The handler of a method.
    pub(crate) fn get(&self, method: u16) -> Option<&Entry> {
        self.entries.get(&method)
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entries.values().map(|entry| entry.name)).finish()
    }
}

struct Typed<M, F> {
    handler: F,
    method: std::marker::PhantomData<fn() -> M>,
}

impl<M, F, Fut> Handler for Typed<M, F>
where
    M: Method,
    F: Fn(Context, M::Request, Bytes) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(M::Reply, Bytes), Status>> + Send + 'static,
{
    fn wire(&self, context: Context, message: Bytes, payload: Bytes) -> Boxed<WireReply> {
        let id = context.request_id;
        match <M::Request as prost::Message>::decode(message) {
            Ok(request) => {
                let running = (self.handler)(context, request, payload);
                Box::pin(async move {
                    match running.await {
                        Ok((reply, payload)) => encode_reply(id, &reply, payload),
                        Err(status) => encode_refusal(id, &status),
                    }
                })
            }
            Err(error) => {
                let status = Status::new(Code::InvalidArgument, format!("{} request: {error}", M::NAME));
                Box::pin(std::future::ready(encode_refusal(id, &status)))
            }
        }
    }

    fn local(&self, context: Context, request: Box<dyn Any + Send>, payload: Bytes) -> Boxed<LocalReply> {
        match request.downcast::<M::Request>() {
            Ok(request) => {
                let running = (self.handler)(context, *request, payload);
                Box::pin(async move {
                    let (reply, payload) = running.await?;
                    Ok((Box::new(reply) as Box<dyn Any + Send>, payload))
                })
            }
            Err(_) => Box::pin(std::future::ready(Err(Status::internal("request of another method")))),
        }
    }
}

fn encode_reply(id: u64, reply: &impl prost::Message, payload: Bytes) -> WireReply {
    let header = Header::bare(Kind::Reply, id);
    match frame::encode_head(header, reply, payload.len()) {
        Some(head) => WireReply { head, payload, refused: None },
        None => {
            let why =
                format!("reply of {} + {} bytes does not fit a frame", reply.encoded_len(), payload.len());
            encode_refusal(id, &Status::new(Code::TooLarge, why))
        }
    }
}

/// The reply frame of a refusal. An overlong text is cut.
pub(crate) fn encode_refusal(id: u64, status: &Status) -> WireReply {
    let header = Header { flags: FLAG_REFUSED, ..Header::bare(Kind::Reply, id) };
    let head = frame::encode_head(header, status, 0).or_else(|| {
        let brief = Status { message: "refused; the explanation is too long".into(), ..status.clone() };
        frame::encode_head(header, &brief, 0)
    });
    WireReply { head: head.unwrap_or_default(), payload: Bytes::new(), refused: Some(status.kind()) }
}
