//! The wire contract, generated from `proto/` by `build.rs`, under the names that the gateway uses.

mod generated {
    #![expect(
        clippy::all,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}

pub(super) use generated::event_store::client::AccessDenied;
pub(super) use generated::{
    event_store::client::{
        AllStreamPosition, BadRequest, Empty, MaximumAppendSizeExceeded, StreamIdentifier, Timeout, Unknown, Uuid,
        WrongExpectedVersion, gossip, server_features, streams, uuid, wrong_expected_version,
    },
    google::{
        protobuf::{Any, Empty as Nothing, Timestamp},
        rpc::Status as ErrorStatus,
    },
};
