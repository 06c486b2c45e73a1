package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// soughtPerson is who is looked for: by an e-mail address or a name.
type soughtPerson struct{ email, name string }

func (p *soughtPerson) args(cmd *cobra.Command, args []string) error {
	if p.email == "" && p.name == "" {
		return exactly("a table and the id of a record, or event and its key", 2)(cmd, args)
	}
	return exactly("a table, and --email or --name in place of an id", 1)(cmd, args)
}

// foundPeople is the answer to a search, and who is found if it is one.
type foundPeople struct {
	activities.Found
	Record *activities.ExplainResult `json:"record,omitempty"`
}

func (p *soughtPerson) find(ctx context.Context, e *env, table string, live bool) error {
	how, text := activities.ByEmail, p.email
	if p.name != "" {
		how, text = activities.ByName, p.name
	}
	if text == "-" {
		read, err := e.readFile("-")
		if err != nil {
			return badInput("--%s: %v", how, err)
		}
		text = strings.TrimSpace(string(read))
	}
	return judge(ctx, e, func(i *operator.Instance) (foundPeople, error) {
		found, err := i.Find(ctx, table, how, text)
		out := foundPeople{Found: found}
		if err != nil || len(found.Hits) != 1 || found.More || found.Hits[0].ID == "" {
			return out, err
		}
		record, err := i.Explain(ctx, table, found.Hits[0].ID, live)
		out.Record = &record
		return out, err
	}, func(e *env, r foundPeople) { writeFound(e, table, r) }, func(r foundPeople) int { return failedIf(len(r.Hits) == 0) })
}

func writeFound(e *env, table string, r foundPeople) {
	if len(r.Hits) == 0 {
		fmt.Fprintln(e.out, "Nobody fits, in Dynamics or in Campaign.")
		return
	}
	head := []string{"ID", "DYNAMICS", "CAMPAIGN"}
	for _, f := range r.Hits[0].Fields {
		head = append(head, strings.ToUpper(f.To))
	}
	rows := [][]cell{header(nil, head...)}
	where := map[bool]string{true: "there", false: "not there"}
	for _, h := range r.Hits {
		line := []cell{text(cmp.Or(h.ID, "(no id of Dynamics)")), text(where[h.InDynamics]), text(where[h.InCampaign])}
		for _, f := range h.Fields {
			line = append(line, text(inBoth(h, f)))
		}
		rows = append(rows, line)
	}
	writeTable(e.out, e.colours(), rows)
	switch {
	case r.More:
		fmt.Fprintln(e.out, "\nThere are more who fit; say more of the name.")
	case r.Record == nil:
		fmt.Fprintf(e.out, "\nMore about one of them: causeway explain %s <id>\n", table)
	}
	if r.Record != nil {
		fmt.Fprintln(e.out)
		writeExplanation(e, *r.Record)
	}
}

// inBoth is a value in general terms; both where the systems differ by it.
func inBoth(h activities.FoundRecord, f activities.FoundField) string {
	switch {
	case !h.InCampaign || f.InDynamics == f.InCampaign:
		return f.InDynamics
	case !h.InDynamics:
		return f.InCampaign
	}
	return f.InDynamics + ", in Campaign " + f.InCampaign
}
