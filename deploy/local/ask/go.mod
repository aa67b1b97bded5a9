module dillinger.dev/deploy/local/ask

go 1.24
