// Command causeway is the operators' tool of a Causeway instance: it starts,
// stops and asks flows through Temporal and checks the configuration.
//
//	causeway status
//	causeway start contacts --wait
//
// Exit codes: 0 done, 1 failed, 2 bad input, 3 Temporal or worker unreachable.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"causeway.dev/starter/commands"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := commands.Execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
