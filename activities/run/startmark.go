package run

import (
	"context"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// factStart is the mark of a flow's last start.
func factStart(flow, table string) string { return "start/" + flow + "/" + table }

// NotBefore refuses to start a flow by itself with settings from before its last start: of
// that start it knows nothing, so Temporal was restored from a backup.
func NotBefore(ctx context.Context, l *ledger.Ledger, flow, table string, mark activities.StartMark) error {
	if mark.After == "" {
		return nil
	}
	last, err := l.Fact(ctx, factStart(flow, table))
	if err != nil || last == mark.Start { // an earlier attempt has kept it
		return err
	}
	return replaced(table, last, mark.After)
}

// KeepStart keeps the mark of a start that has gone well.
func KeepStart(ctx context.Context, l *ledger.Ledger, flow, table string, mark activities.StartMark) error {
	if mark.Start == "" {
		return nil
	}
	return l.SaveFact(ctx, factStart(flow, table), mark.Start)
}

// lacksStart says why a ledger is older than the last start of a flow; "" when it is not.
func lacksStart(ctx context.Context, l *ledger.Ledger, flow, table, known string) (string, error) {
	if known == "" {
		return "", nil
	}
	last, err := l.Fact(ctx, factStart(flow, table))
	switch {
	case err != nil:
		return "", err
	case last < known:
		return "the ledger lacks the last start of the flow: it was restored from a backup", nil
	}
	return "", replaced(table, last, known)
}

// replaced is the failure of a flow whose settings were replaced by those of a later start.
func replaced(table, last, known string) error {
	_, was, _ := strings.Cut(known, " ")
	at, is, _ := strings.Cut(last, " ")
	if last <= known || is == was {
		return nil
	}
	return Blocked(activities.FailureTemporalRestored, fmt.Sprintf(
		"%s was started at %s with other settings than this flow knows: Temporal was restored from a backup; start it with those on file: causeway start %s", table, at, table))
}
