//! Texts that many Pods have in common, such as the terms of their Game: each is kept once. Pure.

use std::collections::HashSet;
use std::sync::Arc;

/// Beyond what doubles, so many more are kept before those that nobody has any more are let go of.
const FEW: usize = 64;

/// Texts that somebody has.
#[derive(Default)]
pub(super) struct Texts {
    all: HashSet<Arc<str>>,
    tidied_at: usize,
}

impl Texts {
    /// Makes it the copy that everybody has.
    pub(super) fn share(&mut self, text: &mut Arc<str>) {
        if let Some(known) = self.all.get(&**text) {
            *text = known.clone();
            return;
        }
        if self.all.len() >= self.tidied_at {
            self.all.retain(|text| Arc::strong_count(text) > 1);
            self.tidied_at = 2 * self.all.len() + FEW;
        }
        self.all.insert(text.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_kept_once() {
        let mut texts = Texts::default();
        let (mut one, mut other): (Arc<str>, Arc<str>) = ("terms".into(), "terms".into());
        texts.share(&mut one);
        texts.share(&mut other);
        assert!(Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn what_nobody_has_any_more_is_let_go_of() {
        let mut texts = Texts::default();
        let mut kept: Arc<str> = "kept".into();
        texts.share(&mut kept);
        for n in 0..10_000 {
            texts.share(&mut n.to_string().into());
        }
        assert!(texts.all.len() <= 2 * FEW + 2, "{}", texts.all.len());
        assert!(texts.all.contains("kept"));
    }
}
