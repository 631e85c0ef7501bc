"""Where data comes from: one class a dataset, one client for all sites."""
