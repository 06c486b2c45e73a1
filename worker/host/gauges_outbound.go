package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
)

// outboundGauges show whether what leaves for people arrives: the logs on the file server and
// the messages of the webhook. One that is switched off does not fail.
type outboundGauges struct {
	scope     tally.Scope
	logExport func(context.Context) (*activities.LogExportState, error) // nil: switched off
	notified  func(context.Context) (*activities.NotifyState, error)    // likewise
}

func (g *outboundGauges) refresh(ctx context.Context) error {
	return errors.Join(g.refreshLogExport(ctx), g.refreshNotify(ctx))
}

func (g *outboundGauges) refreshLogExport(ctx context.Context) error {
	failing := false
	if g.logExport != nil {
		last, err := g.logExport(ctx)
		if err != nil {
			return fmt.Errorf("how the export of logs stands: %w", err)
		}
		failing = last != nil && last.Problem != ""
	}
	g.scope.Gauge("log_export_failing").Update(valueOf(failing))
	return nil
}

func (g *outboundGauges) refreshNotify(ctx context.Context) error {
	failing := false
	if g.notified != nil {
		last, err := g.notified(ctx)
		if err != nil {
			return fmt.Errorf("how the last message to the webhook went: %w", err)
		}
		failing = last != nil && last.Problem != ""
	}
	g.scope.Gauge("notify_failing").Update(valueOf(failing))
	return nil
}
