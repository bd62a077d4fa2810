"""The benchmarks: s3private and its peers, side by side, on the workloads of docs/performance.md."""
