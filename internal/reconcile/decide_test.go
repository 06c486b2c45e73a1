package reconcile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// These are the rules of ingress, one a case.
func TestDecide(t *testing.T) {
	t.Parallel()
	rules := cars(t)
	var (
		never    = reconcile.Known{}
		hidden   = reconcile.Known{Parked: true, Hidden: true}
		held     = written(t, &rules, beetle)
		parked   = reconcile.Known{Payload: held.Payload, Fingerprint: held.Fingerprint, Parked: true}
		sold     = beetle.but(func(c *car) { c.Owner = seller.Key })
		renamed  = beetle.but(func(c *car) { c.Name = "Golf" })
		replated = beetle.but(func(c *car) { c.Plate = "B 2" })
		bare     = beetle.but(func(c *car) { c.Garage = "" })
		bareGolf = bare.but(func(c *car) { c.Name = "Golf" })
		optedOut = bare.but(func(c *car) { c.OptedOut = true })
		left     = beetle.but(func(c *car) { c.Status = "left" })
		tooLong  = beetle.but(func(c *car) { c.Name = "a name of more than twenty letters" })
		deleted  = car{}
		conflict = &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonConflict, Message: "cannot be read"}
	)
	refusal := func(reason string) reconcile.Facts {
		return reconcile.Facts{Parents: garageThere, Refusal: &apierr.Error{Class: apierr.Rejected, Reason: reason, Message: "no", Field: "name"}}
	}
	waits := func(w reconcile.Waiting, guard reconcile.Guard) reconcile.Facts {
		return reconcile.Facts{Waits: w, Guard: guard, Held: there}
	}
	type want struct {
		kind    reconcile.Kind
		why     reconcile.Why
		needs   reconcile.Fact
		done    bool
		link    mapping.Link
		changed []string
	}
	deleteUnmatched := func(r *reconcile.Rules) { r.DeleteUnmatched = true }
	for name, c := range map[string]struct {
		rules func(*reconcile.Rules)
		known reconcile.Known
		says  car // what Dynamics says; the zero car is deleted
		facts reconcile.Facts
		want  want
	}{
		// What Dynamics has.
		"what is new is created without asking first":// R2.1
		{known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere}, want: want{kind: reconcile.Create, why: reconcile.IsNew}},
		"what was written and did not change costs no call": {known: held, says: beetle, want: want{kind: reconcile.Unchanged, why: reconcile.SameAsWritten}},
		"a change sends the fields that changed": {known: held, says: renamed, facts: reconcile.Facts{Parents: garageThere},
			want: want{kind: reconcile.Update, why: reconcile.HasChanged, changed: []string{"name"}}},
		"a field whose updates are not applied stays":// R11.8
		{known: held, says: replated, want: want{kind: reconcile.Unchanged, why: reconcile.SameAsWritten}},
		"a replay writes it, too": // R16.6
		{rules: func(r *reconcile.Rules) { r.Replay = true }, known: held, says: replated, facts: reconcile.Facts{Parents: garageThere},
			want: want{kind: reconcile.Update, why: reconcile.HasChanged, changed: []string{"plate"}}},
		"a value that does not fit is refused": {known: held, says: tooLong, want: want{kind: reconcile.Refuse, why: reconcile.NotMappable}},

		// The filter.
		"what the filter leaves out and Campaign never had costs no call":// R13.8
		{rules: deleteUnmatched, known: never, says: left, want: want{kind: reconcile.LeaveOut, why: reconcile.ByFilter}},
		"what the filter leaves out stays in Campaign":// R13.5
		{known: held, says: left, want: want{kind: reconcile.LeaveOut, why: reconcile.ByFilter}},
		"where unmatched records are deleted it goes":// R13.6
		{rules: deleteUnmatched, known: held, says: left, facts: reconcile.Facts{Guard: reconcile.GuardAllows}, want: want{kind: reconcile.Delete, why: reconcile.ByFilter}},
		"the delete guard keeps it, too": {rules: deleteUnmatched, known: held, says: left, facts: reconcile.Facts{Guard: reconcile.GuardForbids},
			want: want{kind: reconcile.HoldBack, why: reconcile.GuardIsClosed}},
		"what the filter leaves out is not refused for its values": {known: never, says: tooLong.but(func(c *car) { c.Status = "left" }),
			want: want{kind: reconcile.LeaveOut, why: reconcile.ByFilter}},
		"a record that matches again is created with all fields":// R13.9
		{known: never, says: replated, facts: reconcile.Facts{Parents: garageThere}, want: want{kind: reconcile.Create, why: reconcile.IsNew}},

		// Deletes.
		"a delete is carried out":// R14.1
		{known: held, says: deleted, facts: reconcile.Facts{Guard: reconcile.GuardAllows}, want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource}},
		"where deletes are not applied it is ignored":// R14.2
		{rules: func(r *reconcile.Rules) { r.ApplyDeletes = false }, known: held, says: deleted, want: want{kind: reconcile.LeaveOut, why: reconcile.DeletesOff}},
		"what Campaign never had is not deleted":// R2.5
		{known: never, says: deleted, want: want{kind: reconcile.Nothing, why: reconcile.NeverHeld}},
		"a delete asks the delete guard":            {known: held, says: deleted, want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource, needs: reconcile.GuardOpen}},
		"a delete waits while the guard forbids it": {known: held, says: deleted, facts: reconcile.Facts{Guard: reconcile.GuardForbids}, want: want{kind: reconcile.HoldBack, why: reconcile.GuardIsClosed}},
		"a delete waits for the deletes of what names it": {known: held, says: deleted, facts: reconcile.Facts{Guard: reconcile.GuardAllows, Children: true},
			want: want{kind: reconcile.HoldBack, why: reconcile.ChildrenFirst}},
		"a delete that was approved passes the guard": {known: parked, says: deleted, facts: waits(reconcile.Waiting{For: reconcile.ForGuard, Deleted: true, Ready: true}, reconcile.GuardForbids),
			want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource}},
		"one that has waited for a parent does not": {known: parked, says: deleted, facts: waits(reconcile.Waiting{For: reconcile.ForParent, Deleted: true, Ready: true}, reconcile.GuardForbids),
			want: want{kind: reconcile.HoldBack, why: reconcile.GuardIsClosed}},
		"an approved delete still waits for what names it": {known: parked, says: deleted, facts: reconcile.Facts{Waits: reconcile.Waiting{For: reconcile.ForGuard, Deleted: true, Ready: true}, Guard: reconcile.GuardForbids, Children: true},
			want: want{kind: reconcile.HoldBack, why: reconcile.ChildrenFirst}},
		"a delete waits for what names it only so long": {known: parked, says: deleted, facts: reconcile.Facts{Waits: reconcile.Waiting{For: reconcile.ForChildren, Deleted: true, Ready: true}, Guard: reconcile.GuardAllows, Children: true},
			want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource}},
		"the delete of a hidden record asks for the parents that it has there": // R17.7
		{known: parked, says: deleted, facts: reconcile.Facts{Waits: reconcile.Waiting{For: reconcile.ForParent, Deleted: true}},
			want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource, needs: reconcile.HeldParents}},
		"while they are missing nobody is asked again": {known: parked, says: deleted, facts: reconcile.Facts{Waits: reconcile.Waiting{For: reconcile.ForParent, Deleted: true}, Held: missing(owner)},
			want: want{kind: reconcile.Park, why: reconcile.StillWaits, link: owner}},
		"a change that waits does not keep its delete": {known: parked, says: deleted, facts: reconcile.Facts{Waits: reconcile.Waiting{For: reconcile.ForParent}, Guard: reconcile.GuardAllows, Held: missing(owner)},
			want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource}},
		"what Campaign does not show may be hidden":// R17.6
		{known: held, says: deleted, facts: reconcile.Facts{Target: shownNothing}, want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource, needs: reconcile.HeldParents}},
		"the delete of what is hidden waits for the parent":// R17.7
		{known: held, says: deleted, facts: reconcile.Facts{Target: shownNothing, Held: missing(owner)}, want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: owner}},
		"so may what has all its parents by the ledger": {known: held, says: deleted, facts: reconcile.Facts{Target: shownNothing, Held: there},
			want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource, needs: reconcile.ShownParents}},
		"the delete waits for a parent that somebody deleted in Campaign": {known: held, says: deleted, facts: reconcile.Facts{Target: shownNothing, Held: there, Shown: missing(owner)},
			want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: owner}},
		"what may be hidden is deleted, though the ledger holds nothing of it": {known: hidden, says: deleted, facts: reconcile.Facts{Held: there}, want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource}},
		"its delete waits for the parent":                                      {known: hidden, says: deleted, facts: reconcile.Facts{Held: missing(owner)}, want: want{kind: reconcile.Park, why: reconcile.StillWaits, link: owner}},
		"the delete of what is gone is done":// R14.5
		{known: held, says: deleted, facts: reconcile.Facts{Target: shownNothing, Held: there, Shown: there}, want: want{kind: reconcile.Delete, why: reconcile.DeletedInSource, done: true}},
		"a delete that Campaign refuses is set aside": {known: held, says: deleted, facts: refusal(apierr.ReasonConflict), want: want{kind: reconcile.Refuse, why: reconcile.TargetRefused}},

		// Parents.
		"a record waits for a parent without which Campaign refuses it":// R17.7
		{known: never, says: beetle, want: want{kind: reconcile.Park, why: reconcile.ParentRequired, link: garage}},
		"so does a change of it":       {known: held, says: renamed, want: want{kind: reconcile.Park, why: reconcile.ParentRequired, link: garage}},
		"what did not change does not": {known: held, says: beetle, facts: reconcile.Facts{Wanted: missing(owner)}, want: want{kind: reconcile.Unchanged, why: reconcile.SameAsWritten}},
		"a child may be written before a parent that does not have to be there":// R17.5
		{known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, Wanted: missing(owner)}, want: want{kind: reconcile.Create, why: reconcile.IsNew}},
		"what was parked asks for its parents first": {known: parked, says: renamed, facts: reconcile.Facts{Parents: garageThere}, want: want{kind: reconcile.Update, why: reconcile.HasChanged, needs: reconcile.WantedParents}},
		"it waits on while one is missing":           {known: parked, says: renamed, facts: reconcile.Facts{Parents: garageThere, Wanted: missing(owner)}, want: want{kind: reconcile.Park, why: reconcile.StillWaits, link: owner}},
		"it is written when they are there":          {known: parked, says: renamed, facts: reconcile.Facts{Parents: garageThere, Wanted: there}, want: want{kind: reconcile.Update, why: reconcile.HasChanged, changed: []string{"name"}}},
		"a refusal for a link asks for the parents":  {known: never, says: beetle, facts: refusal(apierr.ReasonNotFound), want: want{kind: reconcile.Refuse, why: reconcile.TargetRefused, needs: reconcile.WantedParents}},
		"a refusal for want of a parent is no quarantine":// R17.7
		{known: never, says: beetle, facts: reconcile.Facts{Refusal: conflict, Wanted: missing(owner)}, want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: owner}},
		"what hides a record may be a parent that it had before": {known: held, says: sold, facts: reconcile.Facts{Refusal: conflict, Wanted: there, Held: missing(owner)},
			want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: owner}},
		"with all parents there a refusal is a refusal": {known: held, says: sold, facts: reconcile.Facts{Refusal: conflict, Wanted: there, Held: there},
			want: want{kind: reconcile.Refuse, why: reconcile.TargetRefused}},

		// What Campaign answers.
		"a change of what somebody deleted in Campaign creates it":// R2.1
		{known: held, says: renamed, facts: reconcile.Facts{Parents: garageThere, Target: shownNothing}, want: want{kind: reconcile.Create, why: reconcile.LostInTarget}},
		"a key that is there is looked at": {known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, KeyTaken: true}, want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, needs: reconcile.TargetRecord}},
		"a record with a matching key is taken over": // R2.6, R2.7
		{known: never, says: bareGolf, facts: reconcile.Facts{KeyTaken: true, Target: shows(t, &rules, bare)},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, changed: []string{"name"}}},
		"one that is equal is taken over without a call": {known: never, says: bare, facts: reconcile.Facts{Target: shows(t, &rules, bare)},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, done: true}},
		"taking over keeps an opt-out": {known: never, says: bare, facts: reconcile.Facts{Target: shows(t, &rules, optedOut)},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, done: true}},
		"unless the mapping clears opt-outs": {rules: func(r *reconcile.Rules) { r.ClearOptOuts = true }, known: never, says: bare, facts: reconcile.Facts{Target: shows(t, &rules, optedOut)},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, changed: []string{"blackListEmail"}}},
		"an opt-out that Dynamics ends by a change ends": {known: written(t, &rules, optedOut), says: bare,
			want: want{kind: reconcile.Update, why: reconcile.HasChanged, changed: []string{"blackListEmail"}}},
		"a try that may have reached Campaign looks first": {known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, Ambiguous: true},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, needs: reconcile.TargetRecord}},
		"it did not: the record is created": {known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, Ambiguous: true, Target: shownNothing}, want: want{kind: reconcile.Create, why: reconcile.IsNew}},
		"it did: the run has created the record": {known: never, says: bare, facts: reconcile.Facts{Ambiguous: true, Target: ours(shows(t, &rules, bare))},
			want: want{kind: reconcile.Create, why: reconcile.IsNew, done: true}},
		"an older record is not the run's": {known: never, says: bare, facts: reconcile.Facts{Retried: true, Target: shows(t, &rules, bare)},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, done: true}},
		"a record that the first attempt has not met is not the run's": {known: never, says: bare, facts: reconcile.Facts{Target: ours(shows(t, &rules, bare))},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, done: true}},
		"a key that is taken by what cannot be read asks for the parents":// R17.6
		{known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, KeyTaken: true, Target: shownNothing}, want: want{kind: reconcile.Refuse, why: reconcile.KeyIsHidden, needs: reconcile.WantedParents}},
		"it waits for the parent that is missing": {known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, KeyTaken: true, Target: shownNothing, Wanted: missing(owner)},
			want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: owner}},
		"it waits for a parent that somebody deleted in Campaign": {known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, KeyTaken: true, Target: shownNothing, Wanted: there, Shown: missing(owner)},
			want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: owner}},
		"one that is hidden for want of another parent waits for that": {known: hidden, says: beetle, facts: reconcile.Facts{Parents: garageThere, KeyTaken: true, Target: shownNothing, Wanted: there, Held: missing(seller)},
			want: want{kind: reconcile.Park, why: reconcile.HiddenByTarget, link: seller}},
		"with all parents there it is set aside": {known: never, says: beetle, facts: reconcile.Facts{Parents: garageThere, KeyTaken: true, Target: shownNothing, Wanted: there, Shown: there},
			want: want{kind: reconcile.Refuse, why: reconcile.KeyIsHidden}},
		"a value that Campaign refuses is set aside": {known: never, says: beetle, facts: refusal(apierr.ReasonTooLong), want: want{kind: reconcile.Refuse, why: reconcile.TargetRefused}},
		"a field that Campaign does not have stops the flow":// R8.18
		{known: never, says: beetle, facts: refusal(apierr.ReasonSchema), want: want{kind: reconcile.Stop, why: reconcile.SchemaChanged}},

		// What a look has found to be lost.
		"what Campaign lost is written anew, though it did not change": {known: held, says: beetle, facts: reconcile.Facts{Lost: true, Parents: garageThere},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, needs: reconcile.TargetRecord}},
		"it is created where it is gone": {known: held, says: beetle, facts: reconcile.Facts{Lost: true, Parents: garageThere, Target: shownNothing}, want: want{kind: reconcile.Create, why: reconcile.LostInTarget}},
		"where only its link is gone, that is written": {known: held, says: beetle, facts: reconcile.Facts{Lost: true, Parents: garageThere, Target: shows(t, &rules, beetle.but(func(c *car) { c.Owner = "" }))},
			want: want{kind: reconcile.Adopt, why: reconcile.KeyIsThere, changed: []string{"garage.PKey", "owner"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rules
			if c.rules != nil {
				c.rules(&r)
			}
			e := entry(t, &r, &c.known, c.says)
			got := r.Decide(&c.known, &e, &c.facts)
			require.Equal(t, c.want, want{kind: got.Kind, why: got.Why, needs: got.Needs, done: got.Done, link: got.Link, changed: finally(&got)}, "%s, because %s; needs %s", got.Kind, got.Why, got.Needs)
			if got.Sends() && got.Kind == reconcile.Adopt {
				require.Equal(t, c.facts.Target.Payload.Canonical(), got.Before, "what it held is kept first")
			}
			require.Equal(t, got.Sends() && (got.Kind == reconcile.Update || got.Kind == reconcile.Adopt), got.Body != nil && got.Needs == reconcile.NoFact)
		})
	}
}

func ours(t reconcile.Target) reconcile.Target {
	t.Ours = true
	return t
}

// finally is what an action changes, once it is final.
func finally(a *reconcile.Action) []string {
	if a.Needs != reconcile.NoFact {
		return nil
	}
	return a.Changed
}

func entry(t require.TestingT, r *reconcile.Rules, k *reconcile.Known, says car) reconcile.Entry {
	if says == (car{}) {
		return reconcile.Entry{Version: "2", Deleted: true}
	}
	e, err := r.Read(k, "2", says.row())
	require.NoError(t, err)
	return e
}

// A field that is new in the mapping is somebody else's in Campaign: what it holds is
// kept before it is written, and an opt-out in it stays.
func TestANewFieldIsReadBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	r := cars(t)
	known := written(t, &r, beetle)
	r = cars(t, mapping.Field{From: "new_status", To: "colour"})
	e := entry(t, &r, &known, beetle.but(func(c *car) { c.Status = "red" }))
	f := reconcile.Facts{Parents: garageThere}

	got := r.Decide(&known, &e, &f)
	require.Equal(t, []any{reconcile.Update, reconcile.HasNewFields, reconcile.TargetRecord, []string{"colour"}}, []any{got.Kind, got.Why, got.Needs, got.Changed})

	there, err := r.Mapper.FromTarget([]byte(`{"externalId":"` + vehicle + `","colour":"blue"}`))
	require.NoError(t, err)
	f.Target = reconcile.Target{Asked: true, Payload: there}
	got = r.Decide(&known, &e, &f)
	require.True(t, got.Sends())
	require.JSONEq(t, `{"colour":"red"}`, string(got.Body))
	require.Contains(t, string(got.Before), `"colour":"blue"`)
	require.Contains(t, string(got.Before), `"name":"Beetle"`, "the rest is as it was written")

	known.Own = true
	f.Target = reconcile.Target{}
	got = r.Decide(&known, &e, &f)
	require.True(t, got.Sends(), "what the run created is the run's")
	require.Nil(t, got.Before)
}

// A mapping that lost a field changes no record: the ledger is told, Campaign is not.
func TestAFieldThatLeftTheMappingCostsNoCall(t *testing.T) {
	t.Parallel()
	r := cars(t, mapping.Field{From: "new_status", To: "colour"})
	known := written(t, &r, beetle)
	r = cars(t)
	e := entry(t, &r, &known, beetle)
	for _, target := range []reconcile.Target{{}, shownNothing, shows(t, &r, beetle)} {
		got := r.Decide(&known, &e, &reconcile.Facts{Parents: garageThere, Target: target})
		require.Equal(t, []any{reconcile.Unchanged, reconcile.NoFieldDiffers}, []any{got.Kind, got.Why})
		require.Equal(t, e.Change, got.Payload)
	}
}

func TestWhatTheLedgerHoldsMustBeReadable(t *testing.T) {
	t.Parallel()
	r := cars(t)
	known := reconcile.Known{Payload: []byte("{"), Fingerprint: []byte("x")}
	_, err := r.Read(&known, "1", beetle.row())
	require.Error(t, err)
}

// What Campaign answers decides how the decision goes on, and whether it does.
func TestAnswered(t *testing.T) {
	t.Parallel()
	fail := func(c apierr.Class, reason string) *apierr.Error { return &apierr.Error{Class: c, Reason: reason} }
	for name, c := range map[string]struct {
		sent reconcile.Kind
		fail *apierr.Error
		want reconcile.Facts
		goes bool
	}{
		"an update finds no record":       {reconcile.Update, fail(apierr.Rejected, apierr.ReasonNotFound), reconcile.Facts{Target: shownNothing, Wanted: there, Held: there}, true},
		"so does taking one over":         {reconcile.Adopt, fail(apierr.Rejected, apierr.ReasonNotFound), reconcile.Facts{Target: shownNothing, Wanted: there, Held: there}, true},
		"a delete finds no record":        {reconcile.Delete, fail(apierr.Rejected, apierr.ReasonNotFound), reconcile.Facts{Target: shownNothing, Wanted: there}, true},
		"the key is taken":                {reconcile.Create, fail(apierr.Rejected, apierr.ReasonExists), reconcile.Facts{KeyTaken: true}, true},
		"a link names nothing":            {reconcile.Create, fail(apierr.Rejected, apierr.ReasonNotFound), reconcile.Facts{Refusal: fail(apierr.Rejected, apierr.ReasonNotFound)}, true},
		"a read is refused":               {reconcile.Nothing, fail(apierr.Rejected, apierr.ReasonBadResponse), reconcile.Facts{Refusal: fail(apierr.Rejected, apierr.ReasonBadResponse)}, true},
		"what passes is not the record's": {reconcile.Create, fail(apierr.Retryable, apierr.ReasonNetwork), reconcile.Facts{Wanted: there, Held: there}, false},
		"what stops all is not, either":   {reconcile.Update, fail(apierr.Blocked, apierr.ReasonPermission), reconcile.Facts{Wanted: there, Held: there}, false},
		"what is throttled is sent again": {reconcile.Delete, fail(apierr.Throttled, apierr.ReasonThrottled), reconcile.Facts{Wanted: there, Held: there}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := reconcile.Facts{Wanted: there, Held: there}
			require.Equal(t, c.goes, f.Answered(c.sent, c.fail))
			require.Equal(t, c.want, f)
		})
	}
}

// A rollback looks for what a run did without telling: Campaign must show it.
func TestCarriedOut(t *testing.T) {
	t.Parallel()
	r := cars(t)
	var (
		held    = written(t, &r, beetle)
		renamed = beetle.but(func(c *car) { c.Name = "Golf" })
		other   = beetle.but(func(c *car) { c.Name = "Polo" })
	)
	for name, c := range map[string]struct {
		known reconcile.Known
		says  car
		shows reconcile.Target
		want  bool
	}{
		"a create that is there":                     {reconcile.Known{}, beetle, shows(t, &r, beetle), true},
		"a create that is not":                       {reconcile.Known{}, beetle, shownNothing, false},
		"a create of which Campaign holds otherwise": {reconcile.Known{}, beetle, shows(t, &r, other), false},
		"an update that is there":                    {held, renamed, shows(t, &r, renamed), true},
		"an update that was not made":                {held, renamed, shows(t, &r, beetle), false},
		"a link is known to be there, not to what":   {held, beetle.but(func(c *car) { c.Garage = "" }), shows(t, &r, beetle.but(func(c *car) { c.Garage = "" })), true},
		"an update over which somebody wrote":        {held, renamed, shows(t, &r, other), false},
		"an update of what is gone":                  {held, renamed, shownNothing, false},
		"a delete of what is gone":                   {held, car{}, shownNothing, true},
		"a delete of what is there":                  {held, car{}, shows(t, &r, beetle), false},
		"a delete of what Campaign never had":        {reconcile.Known{}, car{}, shownNothing, false},
		"what did not change":                        {held, beetle, shows(t, &r, beetle), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := entry(t, &r, &c.known, c.says)
			a := r.Calls(&c.known, &e, false)
			require.Equal(t, c.want, r.CarriedOut(&a, &e, &c.shows))
		})
	}
}
