//! The service `event_store.client.streams.Streams`.

use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::debug;

use super::{
    Gateway, Service,
    answers::{Answers, Outgoing},
    asked::{Asked, Want},
    batch, credentials, read,
    refusal::Refusal,
    subscribe,
    wire::streams::{
        AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp, TombstoneReq,
        TombstoneResp, streams_server::Streams,
    },
};
use crate::{
    ports::tokens::Role,
    services::access::{APPENDERS, AUDITORS, Caller},
};

/// What is said at the end of everything that has no end of its own.
fn ending() -> Status {
    Status::unavailable("the ledger's gateway is being stopped; come back where you were")
}

impl Gateway {
    async fn admit(&self, call: &'static str, metadata: &MetadataMap, roles: &[Role]) -> Result<Caller, Status> {
        let admitted = credentials::admit(self.tokens.as_ref(), metadata, roles).await;
        match &admitted {
            Ok(caller) => debug!(call, token = caller.token, "{call}"),
            Err(status) => debug!(call, code = ?status.code(), "{call} was refused"),
        }
        admitted
    }
}

#[tonic::async_trait]
impl Streams for Service {
    type ReadStream = Outgoing<ReadResp>;
    type BatchAppendStream = Outgoing<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        self.admit("Read", request.metadata(), AUDITORS).await?;
        let asked = Asked::read(request.into_inner()).map_err(|refusal| refusal.status())?;
        let (answers, outgoing) = Answers::new((asked.want == Want::Live).then(ending));
        let (service, stop) = (self.clone(), self.stop.clone());
        tokio::spawn(async move {
            let store = service.journal.store().as_ref();
            match asked.want {
                // Either way nobody is left to be told.
                Want::Count(count) => drop(read::read(store, &asked, count, &answers).await),
                Want::Live => tokio::select! {
                    _ = subscribe::follow(store, service.journal.clock().as_ref(), &asked, &answers) => {}
                    () = answers.gone() => {}
                    () = stop.cancelled() => {}
                },
            }
        });
        Ok(Response::new(outgoing))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        let caller = self.admit("Append", request.metadata(), APPENDERS).await?;
        let time = self.limits.append_time;
        match tokio::time::timeout(time, self.append_all(&caller, request.into_inner())).await {
            Ok(answer) => answer.map(Response::new),
            Err(_) => Err(Refusal::Late.status()),
        }
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let caller = self.admit("BatchAppend", request.metadata(), APPENDERS).await?;
        let (answers, outgoing) = Answers::new(None);
        tokio::spawn(batch::session(self.clone(), caller, request.into_inner(), answers));
        Ok(Response::new(outgoing))
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        self.admit("Delete", request.metadata(), APPENDERS).await?;
        Err(immutable())
    }

    async fn tombstone(&self, request: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        self.admit("Tombstone", request.metadata(), APPENDERS).await?;
        Err(immutable())
    }
}

fn immutable() -> Status {
    let why = "streams of this ledger are never deleted; to forget a person use `syncledger subject erase`";
    Refusal::Never(why.to_owned()).status()
}
