module pocketcoder/egress

go 1.26
