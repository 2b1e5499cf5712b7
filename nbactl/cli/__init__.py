"""The process boundary: parse, call, render. No policy, no storage."""
