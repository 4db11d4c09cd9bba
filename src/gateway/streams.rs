//! The service `event_store.client.streams.Streams`.

use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::debug;

use super::{
    Gateway, Service,
    answers::{Answers, ResponseStream},
    batch,
    credentials::{self, AdmittedCaller},
    read,
    read_request::{ReadExtent, ReadRequest},
    refusal::Refusal,
    subscribe,
    wire::streams::{
        AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp, TombstoneReq,
        TombstoneResp, streams_server::Streams,
    },
};
use crate::{
    ports::tokens::Role,
    services::access::{APPENDERS, AUDITORS},
};

/// Final status of calls that have no end of their own.
fn ending() -> Status {
    Status::unavailable("the gateway is shutting down; reconnect and continue from your last position")
}

impl Gateway {
    async fn admit(
        &self,
        call: &'static str,
        metadata: &MetadataMap,
        roles: &[Role],
    ) -> Result<AdmittedCaller, Status> {
        let admitted = credentials::admit(self.tokens.as_ref(), metadata, roles).await;
        match &admitted {
            Ok(admitted) => debug!(call, token = admitted.caller.token, "{call}"),
            Err(status) => debug!(call, code = ?status.code(), "{call} was refused"),
        }
        admitted
    }
}

#[tonic::async_trait]
impl Streams for Service {
    type ReadStream = ResponseStream<ReadResp>;
    type BatchAppendStream = ResponseStream<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let admitted = self.admit("Read", request.metadata(), AUDITORS).await?;
        let asked = ReadRequest::read(request.into_inner()).map_err(|refusal| refusal.status())?;
        let broken = Status::unavailable("the read was interrupted; continue from the last event received");
        let (answers, outgoing) = Answers::new(if asked.want == ReadExtent::Live { ending() } else { broken });
        tokio::spawn(answer(self.clone(), admitted, asked, answers));
        Ok(Response::new(outgoing))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        let AdmittedCaller { caller, .. } = self.admit("Append", request.metadata(), APPENDERS).await?;
        let time = self.limits.append_time;
        match tokio::time::timeout(time, self.append_all(&caller, request.into_inner())).await {
            Ok(answer) => answer.map(Response::new),
            Err(_) => Err(Refusal::DeadlineExceeded.status()),
        }
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let admitted = self.admit("BatchAppend", request.metadata(), APPENDERS).await?;
        let (answers, outgoing) = Answers::new(ending());
        tokio::spawn(batch::session(self.clone(), admitted, request.into_inner(), answers));
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

/// Responds to a read, to its end or until the client is gone.
async fn answer(service: Service, admitted: AdmittedCaller, asked: ReadRequest, answers: Answers) {
    let store = service.journal.store().as_ref();
    let reading = async {
        match asked.want {
            ReadExtent::Events(count) => {
                if read::read(store, &asked, count, &answers).await.is_ok() {
                    answers.finish();
                }
            }
            ReadExtent::Live => {
                let followed = tokio::select! {
                    followed = subscribe::follow(store, service.journal.clock().as_ref(), &asked, &answers) => followed,
                    revoked = admitted.revoked(service.tokens.as_ref(), service.limits.recheck) => Err(answers.end(revoked).await),
                    () = service.stop.cancelled() => Ok(()),
                };
                // A client that is gone, or already has the final status, needs no more.
                drop(followed);
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = answers.closed() => {}
    }
}

fn immutable() -> Status {
    let why = "streams of this ledger are never deleted; to erase a person use `syncledger subject erase`";
    Refusal::NotSupported(why.to_owned()).status()
}
