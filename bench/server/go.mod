module s3private/bench/server

go 1.21
