"""The operator half: builds, checks and removes the path. Needs `s3private[provision]`."""
