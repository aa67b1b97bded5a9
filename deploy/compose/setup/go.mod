module dillinger.dev/deploy/compose/setup

go 1.24
