//! A server that is like the real one where our gateway is not: its log has gaps and other people's streams between ours,
//! ids are unique nowhere, a repeat is recognised by its ids at the expected place only, and it can be told to misbehave.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use futures::{Stream, StreamExt as _, stream};
use syncledger::adapters::eventstoredb::{EventStoreDbLedger, Options};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};
use uuid::Uuid;

use wire::{
    event_store::client::{
        self as esdb,
        server_features::{
            SupportedMethod, SupportedMethods,
            server_features_server::{ServerFeatures, ServerFeaturesServer},
        },
        streams::{
            AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
            TombstoneReq, TombstoneResp, batch_append_req, batch_append_resp,
            read_req::{
                Options as Asked,
                options::{
                    self as asked, AllOptions, CountOption, FilterOption, StreamOption, all_options::AllOption,
                    filter_options::Filter, stream_options::RevisionOption,
                },
            },
            read_resp::{self, Content, read_event::RecordedEvent},
            streams_server::{Streams, StreamsServer},
        },
    },
    google::rpc,
};

mod wire {
    #![expect(
        clippy::all,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    #![allow(dead_code, reason = "more of the contract than this server speaks; an expectation is not seen to be met")]
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}

/// How it misbehaves.
#[derive(Default)]
pub struct Faults {
    /// Subscriptions end without an error once they are live.
    pub end_cleanly: AtomicBool,
    /// Subscriptions pass over the event at this place of ours, once.
    pub skip: AtomicU64,
    /// This many appends are done but never answered.
    pub swallow: AtomicU32,
    /// Subscriptions that have begun.
    pub subscriptions: AtomicU32,
    /// Sessions of batch appends that have begun.
    pub sessions: AtomicU32,
    /// Every append is refused with this message.
    pub refuse: Mutex<Option<(i32, String)>>,
}

#[derive(Clone)]
pub struct Fake {
    log: Arc<Mutex<Log>>,
    end: watch::Sender<u64>,
    pub faults: Arc<Faults>,
    pub address: SocketAddr,
}

#[derive(Default)]
struct Log {
    records: Vec<RecordedEvent>,
    streams: HashMap<String, Vec<usize>>,
    place: u64,
}

impl Log {
    fn write(&mut self, stream: &str, event: RecordedEvent) -> u64 {
        self.place += 61 + event.data.len() as u64;
        let revisions = self.streams.entry(stream.to_owned()).or_default();
        let stream_revision = revisions.len() as u64;
        revisions.push(self.records.len());
        let stream_identifier = Some(esdb::StreamIdentifier { stream_name: stream.as_bytes().to_vec() });
        self.records.push(RecordedEvent {
            stream_identifier,
            stream_revision,
            prepare_position: self.place,
            commit_position: self.place,
            ..event
        });
        stream_revision
    }

    /// What other people write meanwhile.
    fn write_others(&mut self) {
        let n = self.records.len();
        for stream in ["$stats-127.0.0.1:2113", "orders-1", "bookings-1", "$$booking-a", "$ce-booking"] {
            if !(n + stream.len()).is_multiple_of(3) {
                let metadata =
                    [("type", "other"), ("content-type", "application/json"), ("created", "17800000000000000")];
                let metadata = metadata.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                let id = Some(id(Uuid::from_u128(n as u128)));
                self.write(
                    stream,
                    RecordedEvent { id, metadata, data: b"{}".to_vec().into(), ..RecordedEvent::default() },
                );
            }
        }
    }

    fn append(&mut self, request: BatchAppendReq) -> Result<(u64, u64), (i32, String)> {
        use batch_append_req::options::ExpectedStreamPosition as ExpectedVersion;
        let options = request.options.unwrap();
        let stream = String::from_utf8(options.stream_identifier.unwrap().stream_name).unwrap();
        let length = self.streams.get(&stream).map_or(0, |revisions| revisions.len() as u64);
        let first = match options.expected_stream_position.unwrap() {
            ExpectedVersion::NoStream(_) => 0,
            ExpectedVersion::StreamPosition(revision) => revision + 1,
            other => panic!("an adapter that does not want duplicates never asks for {other:?}"),
        };
        let ids: Vec<_> = request.proposed_messages.iter().map(|message| message.id.clone()).collect();
        let count = ids.len() as u64;
        let wrong = Err((9, "WrongExpectedVersion".to_owned()));
        if first > length {
            return wrong;
        }
        if first < length {
            let revisions = &self.streams[&stream];
            let there = (first..).zip(&ids).all(|(revision, id)| {
                let at = revisions.get(revision as usize);
                at.is_some_and(|at| uuid(self.records[*at].id.as_ref()) == uuid(id.as_ref()))
            });
            return if there { Ok((first + count - 1, 0)) } else { wrong };
        }
        self.write_others();
        for message in request.proposed_messages {
            let mut metadata = message.metadata;
            metadata.insert("created".to_owned(), "17800000001234567".to_owned());
            let id = message.id.map(|it| id(uuid(Some(&it))));
            let (custom_metadata, data) = (message.custom_metadata, message.data);
            self.write(&stream, RecordedEvent { id, metadata, custom_metadata, data, ..RecordedEvent::default() });
        }
        Ok((first + count - 1, self.place))
    }

    /// The records that a read asks for, from index `from` on or, backwards, to it.
    fn page(&self, asked: &Asked) -> Option<Vec<RecordedEvent>> {
        let backwards = asked.read_direction == 1;
        let count = match asked.count_option {
            Some(CountOption::Count(count)) => count as usize,
            _ => usize::MAX,
        };
        let mut found: Vec<RecordedEvent> = match asked.stream_option.as_ref()? {
            StreamOption::Stream(options) => {
                let stream = String::from_utf8(options.stream_identifier.clone()?.stream_name).ok()?;
                let events = self.streams.get(&stream)?.iter().map(|at| self.records[*at].clone());
                match options.revision_option? {
                    RevisionOption::Revision(from) if !backwards => events.skip(from as usize).collect(),
                    _ => events.collect(),
                }
            }
            StreamOption::All(AllOptions { all_option: Some(AllOption::Position(from)) }) if !backwards => {
                self.records.iter().filter(|it| it.commit_position >= from.commit_position).cloned().collect()
            }
            StreamOption::All(_) => self.records.clone(),
        };
        if backwards {
            found.reverse();
        }
        found.truncate(count);
        Some(found)
    }
}

fn id(id: Uuid) -> esdb::Uuid {
    esdb::Uuid { value: Some(esdb::uuid::Value::String(id.to_string())) }
}

fn uuid(id: Option<&esdb::Uuid>) -> Uuid {
    match id.and_then(|id| id.value.as_ref()).unwrap() {
        esdb::uuid::Value::String(text) => text.parse().unwrap(),
        esdb::uuid::Value::Structured(halves) => {
            Uuid::from_u64_pair(halves.most_significant_bits as u64, halves.least_significant_bits as u64)
        }
    }
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Faults { skip: AtomicU64::new(u64::MAX), ..Faults::default() });
        let fake = Self { log: Arc::default(), end: watch::Sender::new(0), faults, address };
        let incoming = stream::unfold(listener, |listener| async {
            let accepted = listener.accept().await.and_then(|(socket, _)| socket.set_nodelay(true).map(|()| socket));
            Some((accepted, listener))
        });
        let server = Server::builder()
            .add_service(ServerFeaturesServer::new(fake.clone()))
            .add_service(StreamsServer::new(fake.clone()).max_decoding_message_size(32 << 20))
            .serve_with_incoming(incoming);
        tokio::spawn(server);
        fake
    }

    pub async fn open(&self) -> EventStoreDbLedger {
        let options = Options { url: format!("esdb://{}?tls=false", self.address), password: None };
        EventStoreDbLedger::open(&options).await.unwrap()
    }

    /// Writes an event as somebody else may, into any stream.
    pub fn write(&self, stream: &str, data: &[u8]) {
        let metadata = HashMap::from([("type".to_owned(), "theirs".to_owned())]);
        let event = RecordedEvent { metadata, data: data.to_vec().into(), ..RecordedEvent::default() };
        self.log.lock().unwrap().write(stream, RecordedEvent { id: Some(id(Uuid::from_u128(99))), ..event });
        self.end.send_modify(|end| *end += 1);
    }

    /// Removes the oldest event of a stream, as a scavenge does after a truncation.
    pub fn scavenge(&self, stream: &str) {
        let mut log = self.log.lock().unwrap();
        let at = log.streams[stream][0];
        log.records.remove(at);
    }

    async fn follow(self, asked: Asked, answers: mpsc::Sender<Result<ReadResp, Status>>) {
        self.faults.subscriptions.fetch_add(1, Ordering::SeqCst);
        let say = |content| answers.send(Ok(ReadResp { content: Some(content) }));
        let confirmation = read_resp::SubscriptionConfirmation { subscription_id: "s".to_owned() };
        let mut open = say(Content::Confirmation(confirmation)).await.is_ok();
        let prefixes = match asked.filter_option {
            Some(FilterOption::Filter(asked::FilterOptions { filter: Some(Filter::StreamIdentifier(it)), .. })) => {
                it.prefix
            }
            other => panic!("not a subscription of ours: {other:?}"),
        };
        let mut after = match asked.stream_option {
            Some(StreamOption::All(AllOptions { all_option: Some(AllOption::Position(at)) })) => at.commit_position,
            _ => 0,
        };
        let mut end = self.end.subscribe();
        while open {
            end.borrow_and_update();
            let news: Vec<RecordedEvent> = {
                let log = self.log.lock().unwrap();
                log.records.iter().filter(|it| it.commit_position > after).cloned().collect()
            };
            for event in news {
                after = event.commit_position;
                let stream = String::from_utf8(event.stream_identifier.clone().unwrap().stream_name).unwrap();
                if !prefixes.iter().any(|prefix| stream.starts_with(prefix)) {
                    continue;
                }
                if self.faults.skip.compare_exchange(after, u64::MAX, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                    open &= say(answer(event)).await.is_ok();
                }
            }
            // Beyond everything that was looked at, as servers have been seen to do.
            let checkpoint = read_resp::Checkpoint { commit_position: after + 3, ..read_resp::Checkpoint::default() };
            open &= say(Content::Checkpoint(checkpoint)).await.is_ok();
            if self.faults.end_cleanly.load(Ordering::SeqCst) {
                return;
            }
            tokio::select! {
                _ = end.changed() => {}
                () = answers.closed() => return,
            }
        }
    }

    /// The place of the event that is written next into one of our streams, if nobody else writes.
    pub fn skip_next(&self, data: &str) {
        let mut log = self.log.lock().unwrap();
        // Others write first: do it now, so that the place is known.
        log.write_others();
        let others = log.records.len();
        let mut probe = Log { records: log.records.clone(), place: log.place, streams: HashMap::new() };
        probe.write_others();
        let before = if probe.records.len() > others { probe.place } else { log.place };
        self.faults.skip.store(before + 61 + data.len() as u64, Ordering::SeqCst);
    }
}

fn answer(event: RecordedEvent) -> Content {
    let position = Some(read_resp::read_event::Position::CommitPosition(event.commit_position));
    Content::Event(read_resp::ReadEvent { event: Some(event), link: None, position })
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn answers<T: Send + 'static>(mut receiver: mpsc::Receiver<Result<T, Status>>) -> Response<Answers<T>> {
    Response::new(Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context))))
}

#[tonic::async_trait]
impl ServerFeatures for Fake {
    async fn get_supported_methods(&self, _: Request<esdb::Empty>) -> Result<Response<SupportedMethods>, Status> {
        let batch = SupportedMethod {
            method_name: "batchappend".to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: vec!["deadline_duration".to_owned()],
        };
        let event_store_server_version = "24.6.0".to_owned();
        Ok(Response::new(SupportedMethods { methods: vec![batch], event_store_server_version }))
    }
}

#[tonic::async_trait]
impl Streams for Fake {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let asked = request.into_inner().options.unwrap();
        if let Some(CountOption::Subscription(_)) = asked.count_option {
            let (sender, receiver) = mpsc::channel(16);
            tokio::spawn(self.clone().follow(asked, sender));
            return Ok(answers(receiver));
        }
        let page = self.log.lock().unwrap().page(&asked);
        let contents: Vec<Content> = match page {
            Some(page) => page.into_iter().map(answer).collect(),
            None => vec![Content::StreamNotFound(read_resp::StreamNotFound::default())],
        };
        let said = stream::iter(contents).map(|content| ReadResp { content: Some(content) });
        Ok(Response::new(Box::pin(said.map(Result::<_, Status>::Ok))))
    }

    async fn append(&self, _: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        self.faults.sessions.fetch_add(1, Ordering::SeqCst);
        let (sender, receiver) = mpsc::channel(16);
        let (fake, mut requests) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Some(Ok(request)) = requests.next().await {
                let answer = fake.answer(request);
                if answer.is_some_and(|answer| sender.try_send(Ok(answer)).is_err()) {
                    return;
                }
            }
        });
        Ok(answers(receiver))
    }
}

impl Fake {
    /// Does an append. `None` where it does not answer.
    fn answer(&self, request: BatchAppendReq) -> Option<BatchAppendResp> {
        use batch_append_resp::{Result as Outcome, Success, success};
        let correlation_id = request.correlation_id.clone();
        let stream_identifier = request.options.as_ref().unwrap().stream_identifier.clone();
        let refused = self.faults.refuse.lock().unwrap().clone();
        let done = refused.map_or_else(|| self.log.lock().unwrap().append(request), Err);
        self.end.send_modify(|end| *end += 1);
        if self.faults.swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return None;
        }
        let result = Some(match done {
            Ok((revision, _)) => Outcome::Success(Success {
                current_revision_option: Some(success::CurrentRevisionOption::CurrentRevision(revision)),
                // What a real server says of a repeat cannot be relied on either.
                position_option: None,
            }),
            Err((code, message)) => Outcome::Error(rpc::Status { code, message, ..rpc::Status::default() }),
        });
        Some(BatchAppendResp { correlation_id, result, stream_identifier, expected_stream_position: None })
    }
}
