package operator

import (
	"context"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
)

// RekeyLedger has the workers seal the ledger anew with the first of their keys.
func (i *Instance) RekeyLedger(ctx context.Context) (r activities.LedgerSealing, err error) {
	err = i.ask(ctx, i.Timeout, activities.RekeyLedger, activities.RekeyLedgerInput{By: i.By}, &r)
	return r, err
}

// sealing says what the ledger's keys need: nothing, mostly.
func (n *notes) sealing(s *activities.LedgerSealing, now time.Time) {
	if s == nil {
		return
	}
	if s.Key == "" {
		n.add(Caution, "the ledger is not sealed, and values of persons are in it: set ledger.encryption_key on the workers")
		return
	}
	r := s.Rekey
	older := strings.Join(s.OlderKeys, ", ")
	switch {
	case r != nil && r.Ended == nil && r.Problem != "":
		n.because(config.CauseRekeyStuck, Alarm, "sealing the ledger anew does not go on: %s", r.Problem)
	case r != nil && r.Ended == nil:
		n.add(Hint, "the ledger is being sealed anew with key %s: %d of %d kinds of values are done, %s values so far", s.Key, r.Column, r.Columns, humanize.Comma(r.Looked))
	case older != "":
		n.add(Caution, "the ledger holds what is sealed with %s, which the workers need until it is sealed anew: causeway ledger rekey", phrase.Count(int64(len(s.OlderKeys)), "older key")+" ("+older+")")
	case !s.Whole:
		n.add(Caution, "the ledger holds values from before it had a key, and they are in clear: causeway ledger rekey")
	case s.Remains:
		n.add(Caution, "the ledger was sealed anew; free space of its file may hold values in clear from before: restart the worker, which then writes the file anew")
	case r != nil && now.Sub(*r.Ended) < rekeyTold:
		n.add(Hint, "the ledger was sealed anew %s: older keys are needed no more, but for backups from before", phrase.Moment(now, *r.Ended))
	}
}

// rekeyTold is for how long a rekey that has ended is told of.
const rekeyTold = 24 * time.Hour
