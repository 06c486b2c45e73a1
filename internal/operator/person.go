package operator

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// ShownPerson is a record in both systems, with its values if they were asked for.
type ShownPerson struct {
	activities.ShowPersonResult
	Sealed []byte                  `json:"sealed,omitempty"` // hides the other: it is opened here
	Values []activities.SideValues `json:"values,omitempty"`
}

// ShowPerson asks both systems for a record, and says what happened to it. With reveal the
// worker seals its values to a key made for this one answer; reason says why.
func (i *Instance) ShowPerson(ctx context.Context, name, id string, reveal bool, reason string) (*ShownPerson, error) {
	table, key, err := i.person(name, id)
	if err != nil {
		return nil, err
	}
	in, shown := activities.ShowPersonInput{Table: table, ID: key, By: i.By}, &ShownPerson{}
	if !reveal {
		return shown, i.ask(ctx, i.Timeout, activities.ShowPerson, in, &shown.ShowPersonResult)
	}
	if in.Reason = reason; reason == "" {
		return nil, badInput("reason: say why you look at the values, such as the number of a request")
	}
	err = sealed(func(public, private *[32]byte) error {
		in.RevealTo = public[:]
		if err := i.ask(ctx, i.Timeout, activities.ShowPerson, in, &shown.ShowPersonResult); err != nil {
			return err
		}
		shown.Values, err = activities.RevealPerson(shown.ShowPersonResult.Sealed, public, private)
		return unsealed(err)
	})
	return shown, err
}

// SyncPerson asks for a backfill of one person's record.
func (i *Instance) SyncPerson(ctx context.Context, name, id string) (answer workflows.BackfillAnswer, err error) {
	table, key, err := i.person(name, id)
	if err != nil {
		return answer, err
	}
	return i.Backfill(ctx, table.Name, activities.Window{IDs: []string{key}})
}
