//! Pulls of images: one at a time an image, joined by everybody who wants it, failures counted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use jiff::Timestamp;

use super::client::{CallError, Client, LOOK, Lane};
use super::credentials;
use crate::api::ImagePullPolicy;
use crate::clock::Clock;
use crate::session::observation::Image;

/// A pull whose stream says nothing for this long is over.
const SILENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(super) struct Pulls {
    images: Mutex<HashMap<String, Pull>>,
}

enum Pull {
    Running {
        before: u32,
        progress: Progress,
    },
    Failed {
        times: u32,
        at: Timestamp,
        message: String,
        policy: ImagePullPolicy,
    },
}

/// Bytes a layer, as the engine tells them.
#[derive(Default)]
struct Progress(HashMap<String, (i64, i64)>);

impl Progress {
    fn take(&mut self, info: &CreateImageInfo) {
        if let (Some(layer), Some(detail)) = (&info.id, &info.progress_detail)
            && let (Some(current), Some(total)) = (detail.current, detail.total)
            && info.status.as_deref() == Some("Downloading")
        {
            self.0.insert(layer.clone(), (current, total));
        } else if let (Some(layer), Some("Download complete" | "Pull complete")) =
            (&info.id, info.status.as_deref())
            && let Some((current, total)) = self.0.get_mut(layer)
        {
            *current = *total;
        }
    }

    /// Coarse: steps of ten per cent, so that reports are few. Empty while nothing is known.
    fn text(&self) -> String {
        let (current, total) = self
            .0
            .values()
            // A registry says how large its layers are, and may say anything.
            .fold((0_i128, 0_i128), |(c, t), (current, total)| {
                (c + i128::from(*current), t + i128::from(*total))
            });
        if total <= 0 {
            return String::new();
        }
        let tenths = (current.clamp(0, total) * 10 / total) * 10;
        format!("{tenths} % of {} MB", (total / 1_000_000).max(1))
    }
}

impl Pulls {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Pull>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image on the engine, the pull that runs for it, or how pulls of it failed.
    pub(super) async fn image(&self, client: &Client, image: &str) -> Image {
        match self.locked().get(image) {
            Some(Pull::Running { progress, .. }) => return Image::Pulling(progress.text()),
            // The image may be there all the same, but not as fresh as this policy asks for.
            Some(Pull::Failed {
                times,
                at,
                message,
                policy: ImagePullPolicy::Always,
            }) => {
                return failed(*times, *at, message);
            }
            Some(Pull::Failed {
                policy: ImagePullPolicy::IfNotPresent | ImagePullPolicy::Never,
                ..
            })
            | None => {}
        }
        let found = client
            .call(
                Lane::Look,
                LOOK,
                |d| async move { d.inspect_image(image).await },
            )
            .await;
        match found {
            Ok(_) => {
                self.locked().remove(image);
                Image::Present
            }
            Err(error) if error.is_not_found() => match self.locked().get(image) {
                Some(Pull::Running { progress, .. }) => Image::Pulling(progress.text()),
                Some(Pull::Failed {
                    times, at, message, ..
                }) => failed(*times, *at, message),
                None => Image::Missing,
            },
            // No row acts on it, and the next look asks again.
            Err(_) => Image::Unchecked,
        }
    }

    /// Starts the pull or joins the one that runs; `ended` is called when it is over.
    pub(super) fn pull(
        self: &Arc<Self>,
        client: &Arc<Client>,
        image: &str,
        policy: ImagePullPolicy,
        folder: Option<PathBuf>,
        clock: Clock,
        ended: impl FnOnce() + Send + 'static,
    ) {
        {
            let mut images = self.locked();
            let before = match images.get(image) {
                Some(Pull::Running { .. }) => return,
                Some(Pull::Failed { times, .. }) => *times,
                None => 0,
            };
            images.insert(
                image.to_owned(),
                Pull::Running {
                    before,
                    progress: Progress::default(),
                },
            );
        }
        let (pulls, client, image) = (Arc::clone(self), Arc::clone(client), image.to_owned());
        tokio::spawn(async move {
            let result = pulls.run(&client, &image, folder).await;
            {
                let mut images = pulls.locked();
                let before = match images.remove(&image) {
                    Some(Pull::Running { before, .. }) => before,
                    Some(Pull::Failed { .. }) | None => 0,
                };
                match result {
                    Ok(()) => tracing::info!(image, "pulled"),
                    Err(message) => {
                        tracing::warn!(image, message, times = before + 1, "pull failed");
                        let failed = Pull::Failed {
                            times: before + 1,
                            at: clock.now(),
                            message,
                            policy,
                        };
                        images.insert(image, failed);
                    }
                }
            }
            ended();
        });
    }

    async fn run(
        &self,
        client: &Client,
        image: &str,
        folder: Option<PathBuf>,
    ) -> Result<(), String> {
        let credentials = match folder {
            None => None,
            Some(folder) => {
                let image = image.to_owned();
                tokio::task::spawn_blocking(move || credentials::find(&folder, &image))
                    .await
                    .map_err(|e| e.to_string())?
                    .map_err(|e| with_source(&e))?
            }
        };
        let (name, tag) = split(image);
        let mut options = CreateImageOptionsBuilder::new().from_image(name);
        if let Some(tag) = tag {
            options = options.tag(tag);
        }
        let docker = client.docker().map_err(|e| e.to_string())?;
        let mut stream = docker.create_image(Some(options.build()), None, credentials);
        loop {
            match tokio::time::timeout(SILENCE, stream.next()).await {
                Err(_) => {
                    return Err(format!(
                        "the engine said nothing for {} s",
                        SILENCE.as_secs()
                    ));
                }
                Ok(None) => return Ok(()),
                Ok(Some(Ok(info))) => {
                    if let Some(Pull::Running { progress, .. }) = self.locked().get_mut(image) {
                        progress.take(&info);
                    }
                }
                Ok(Some(Err(error))) => {
                    return Err(match CallError::from(error) {
                        CallError::Answer { message, .. } => message,
                        other => other.to_string(),
                    });
                }
            }
        }
    }
}

fn failed(times: u32, at: Timestamp, message: &str) -> Image {
    Image::Failed {
        times,
        at,
        message: message.to_owned(),
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Name and tag or digest. Without either the engine would pull every tag there is.
fn split(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        Some(_) | None => (image, Some("latest")),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{any_json, cases, integer, text};

    fn downloading(layer: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(layer.into()),
            status: Some("Downloading".into()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn progress_is_coarse_and_counts_all_layers() {
        let mut progress = Progress::default();
        assert_eq!(progress.text(), "");
        progress.take(&downloading("a", 10_000_000, 100_000_000));
        progress.take(&downloading("b", 0, 20_000_000));
        assert_eq!(progress.text(), "0 % of 120 MB");
        progress.take(&downloading("a", 49_000_000, 100_000_000));
        assert_eq!(progress.text(), "40 % of 120 MB");
        progress.take(&CreateImageInfo {
            id: Some("a".into()),
            status: Some("Download complete".into()),
            ..CreateImageInfo::default()
        });
        assert_eq!(progress.text(), "80 % of 120 MB");
    }

    #[test]
    fn sizes_without_end_are_more_than_a_sum_holds_and_no_more_than_is_shown() {
        let mut progress = Progress::default();
        progress.take(&downloading("a", i64::MAX, i64::MAX));
        progress.take(&downloading("b", 1, i64::MAX));
        assert_eq!(progress.text(), "50 % of 18446744073709 MB");
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_a_registry_says_of_its_layers_the_progress_is_a_part_of_a_whole(
            layers in proptest::collection::vec((text(), integer(), integer()), 0..6),
            other in any_json(),
        ) {
            let mut progress = Progress::default();
            for (layer, current, total) in &layers {
                progress.take(&downloading(layer, *current, *total));
                let text = progress.text();
                let tenths = text.split_once(" %").map(|(tenths, _)| tenths.parse::<u32>());
                prop_assert!(text.is_empty() || matches!(tenths, Some(Ok(0..=100))), "{}", text);
            }
            if let Ok(info) = serde_json::from_value::<CreateImageInfo>(other) {
                progress.take(&info);
                let _ = progress.text();
            }
        }

        #[test]
        fn whatever_an_image_is_called_its_name_and_tag_are_the_whole_of_it(image in text()) {
            let (name, tag) = split(&image);
            match tag {
                Some(tag) if image.len() > name.len() => {
                    prop_assert_eq!(&format!("{name}:{tag}"), &image);
                }
                Some(tag) => prop_assert_eq!((name, tag), (image.as_str(), "latest")),
                None => prop_assert!(name == image && image.contains('@')),
            }
            prop_assert!(!credentials::registry(&image).is_empty());
        }
    }

    #[test]
    fn a_reference_without_a_tag_never_pulls_every_tag() {
        assert_eq!(split("game"), ("game", Some("latest")));
        assert_eq!(split("box:5000/game"), ("box:5000/game", Some("latest")));
        assert_eq!(split("box:5000/game:2"), ("box:5000/game", Some("2")));
        assert_eq!(split("game@sha256:00ff"), ("game@sha256:00ff", None));
        assert_eq!(split("game:1@sha256:00ff"), ("game:1@sha256:00ff", None));
    }
}
