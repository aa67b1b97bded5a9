//! Every reason in one enum: condition reason = Event reason = metric label = log field.

use std::str::FromStr;

/// One word that says why. `as_str` is the word that users see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    // Accepted
    Accepted,
    GameNotFound,
    GameInvalid,
    ParametersInvalid,
    ResourcesTooLarge,
    DeadlineTooLong,
    RuntimeNotAllowed,
    // ImageReady
    ImagePresent,
    PullingImage,
    ImagePullFailed,
    NotChecked,
    // Started
    ContainerRunning,
    Creating,
    BackOff,
    Interrupted,
    PortsExhausted,
    NameConflict,
    StartFailed,
    Unschedulable,
    PodRejected,
    QuotaExceeded,
    ContainerExited,
    Stopped,
    Pending,
    EngineUnreachable,
    EngineMismatch,
    NodeLost,
    // Ready
    Ready,
    WaitingForReady,
    ProbeFailed,
    Stopping,
    Terminating,
    Disrupted,
    PausedOutside,
    // Finished
    NotFinished,
    Completed,
    DeadlineExceeded,
    Error,
    OomKilled,
    ExitedBeforeReady,
    StartDeadlineExceeded,
    ContainerLost,
    // Stalled
    NotStalled,
    // Events only
    Abandoned,
    Unreadable,
    StrayContainer,
}

impl Reason {
    /// Every reason, for tables and tests.
    pub const ALL: [Reason; 46] = [
        Reason::Accepted,
        Reason::GameNotFound,
        Reason::GameInvalid,
        Reason::ParametersInvalid,
        Reason::ResourcesTooLarge,
        Reason::DeadlineTooLong,
        Reason::RuntimeNotAllowed,
        Reason::ImagePresent,
        Reason::PullingImage,
        Reason::ImagePullFailed,
        Reason::NotChecked,
        Reason::ContainerRunning,
        Reason::Creating,
        Reason::BackOff,
        Reason::Interrupted,
        Reason::PortsExhausted,
        Reason::NameConflict,
        Reason::StartFailed,
        Reason::Unschedulable,
        Reason::PodRejected,
        Reason::QuotaExceeded,
        Reason::ContainerExited,
        Reason::Stopped,
        Reason::Pending,
        Reason::EngineUnreachable,
        Reason::EngineMismatch,
        Reason::NodeLost,
        Reason::Ready,
        Reason::WaitingForReady,
        Reason::ProbeFailed,
        Reason::Stopping,
        Reason::Terminating,
        Reason::Disrupted,
        Reason::PausedOutside,
        Reason::NotFinished,
        Reason::Completed,
        Reason::DeadlineExceeded,
        Reason::Error,
        Reason::OomKilled,
        Reason::ExitedBeforeReady,
        Reason::StartDeadlineExceeded,
        Reason::ContainerLost,
        Reason::NotStalled,
        Reason::Abandoned,
        Reason::Unreadable,
        Reason::StrayContainer,
    ];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Accepted => "Accepted",
            Reason::GameNotFound => "GameNotFound",
            Reason::GameInvalid => "GameInvalid",
            Reason::ParametersInvalid => "ParametersInvalid",
            Reason::ResourcesTooLarge => "ResourcesTooLarge",
            Reason::DeadlineTooLong => "DeadlineTooLong",
            Reason::RuntimeNotAllowed => "RuntimeNotAllowed",
            Reason::ImagePresent => "ImagePresent",
            Reason::PullingImage => "PullingImage",
            Reason::ImagePullFailed => "ImagePullFailed",
            Reason::NotChecked => "NotChecked",
            Reason::ContainerRunning => "ContainerRunning",
            Reason::Creating => "Creating",
            Reason::BackOff => "BackOff",
            Reason::Interrupted => "Interrupted",
            Reason::PortsExhausted => "PortsExhausted",
            Reason::NameConflict => "NameConflict",
            Reason::StartFailed => "StartFailed",
            Reason::Unschedulable => "Unschedulable",
            Reason::PodRejected => "PodRejected",
            Reason::QuotaExceeded => "QuotaExceeded",
            Reason::ContainerExited => "ContainerExited",
            Reason::Stopped => "Stopped",
            Reason::Pending => "Pending",
            Reason::EngineUnreachable => "EngineUnreachable",
            Reason::EngineMismatch => "EngineMismatch",
            Reason::NodeLost => "NodeLost",
            Reason::Ready => "Ready",
            Reason::WaitingForReady => "WaitingForReady",
            Reason::ProbeFailed => "ProbeFailed",
            Reason::Stopping => "Stopping",
            Reason::Terminating => "Terminating",
            Reason::Disrupted => "Disrupted",
            Reason::PausedOutside => "PausedOutside",
            Reason::NotFinished => "NotFinished",
            Reason::Completed => "Completed",
            Reason::DeadlineExceeded => "DeadlineExceeded",
            Reason::Error => "Error",
            Reason::OomKilled => "OOMKilled",
            Reason::ExitedBeforeReady => "ExitedBeforeReady",
            Reason::StartDeadlineExceeded => "StartDeadlineExceeded",
            Reason::ContainerLost => "ContainerLost",
            Reason::NotStalled => "NotStalled",
            Reason::Abandoned => "Abandoned",
            Reason::Unreadable => "Unreadable",
            Reason::StrayContainer => "StrayContainer",
        }
    }
}

/// A text that is no reason of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a reason that this version knows")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_list_of_all_reasons_lacks_none_and_doubles_none() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(
                reason as usize, place,
                "{reason:?} stands in the wrong place"
            );
        }
        // The last variant: one that is added behind it makes this line, and ALL, wrong.
        assert_eq!(Reason::StrayContainer as usize + 1, Reason::ALL.len());
    }

    #[test]
    fn every_reason_is_read_back_from_its_word() {
        let words: BTreeSet<_> = Reason::ALL.into_iter().map(Reason::as_str).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
    }

    #[test]
    fn a_word_that_is_no_reason_is_named_in_the_error() {
        let error = "Tired".parse::<Reason>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"Tired\" is not a reason that this version knows"
        );
    }
}
