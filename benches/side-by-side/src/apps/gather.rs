//! [`Gather`]: concurrent calls share a statement.

use tokio::sync::{mpsc, oneshot};

/// Calls that arrive while a batch runs form the next batch. There is no timer: if nothing is
/// running, a call is sent at once.
pub(super) struct Gather<Q, A> {
    calls: mpsc::UnboundedSender<(Q, oneshot::Sender<Option<A>>)>,
}

impl<Q, A> Clone for Gather<Q, A> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Starts the task that runs the batches, of at most `most` calls each. `run` returns one
    /// answer per question, in the same order, or `None` if the statement failed.
    pub(super) fn start<R, F>(most: usize, run: R) -> Self
    where
        R: Fn(Vec<Q>) -> F + Send + 'static,
        F: Future<Output = Option<Vec<A>>> + Send,
    {
        let (calls, mut arriving) = mpsc::unbounded_channel::<(Q, oneshot::Sender<Option<A>>)>();
        tokio::spawn(async move {
            let mut batch = Vec::with_capacity(most);
            while arriving.recv_many(&mut batch, most).await > 0 {
                let (questions, callers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
                match run(questions).await {
                    Some(answers) => {
                        for (caller, answer) in callers.into_iter().zip(answers) {
                            let _ = caller.send(Some(answer));
                        }
                    }
                    None => drop(callers),
                }
            }
        });
        Self { calls }
    }

    /// Returns the answer, or `None` if the statement failed.
    pub(super) async fn call(&self, question: Q) -> Option<A> {
        let (caller, answer) = oneshot::channel();
        self.calls.send((question, caller)).ok()?;
        answer.await.ok().flatten()
    }
}
