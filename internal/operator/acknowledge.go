package operator

import (
	"context"

	"causeway.dev/activities"
)

// Acknowledged says whether whoever asks has acknowledged what they are responsible for, by
// the ledger.
func (i *Instance) Acknowledged(ctx context.Context) (bool, error) {
	if i.By == "" {
		return false, badInput("who acknowledges has no name")
	}
	ctx, cancel := context.WithTimeout(ctx, min(i.Timeout, ledgerWithin))
	defer cancel()
	log, err := i.Log(ctx, activities.OperationsInput{By: i.By, What: activities.OpAcknowledge, Limit: 1})
	return len(log.Operations) > 0, err
}

// AcknowledgeTypology enters into the ledger that whoever asks has looked at Campaign's
// typology rules, for all.
func (i *Instance) AcknowledgeTypology(ctx context.Context) error {
	var end activities.LogEnd
	return i.ask(ctx, i.Timeout, activities.Acknowledge, activities.AcknowledgeInput{Text: activities.TextTypology, By: i.By, At: i.Now(), Once: true}, &end)
}

// Acknowledge enters into the ledger that whoever asks has acknowledged the text named. The
// entry waits in Temporal for a worker, because the person need not.
func (i *Instance) Acknowledge(ctx context.Context, text string) error {
	if i.By == "" {
		return badInput("who acknowledges has no name")
	}
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	return i.temporal.Later(ctx, activities.Acknowledge, activities.AcknowledgeInput{Text: text, By: i.By, At: i.Now()})
}
