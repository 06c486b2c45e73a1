// Command sandbox runs stand-ins for Dynamics 365 and Adobe Campaign Standard,
// and edits, inspects and disturbs those that run. Any client of the real
// services can use them, given the host names and the certificate authority.
//
// Exit codes: 0 done, 1 failed, 2 bad input, 3 no sandbox answers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"causeway.dev/sandbox/commands"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := commands.Execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
