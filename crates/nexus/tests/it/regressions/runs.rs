//! Runs and their answers: stops, slow stores, contexts, retries.
