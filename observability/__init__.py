"""Recording rules, alerts and dashboards as code: what `make generate` writes into the chart. Never in the wheel."""
