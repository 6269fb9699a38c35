//! Budgets, usage and what leaves for providers.
