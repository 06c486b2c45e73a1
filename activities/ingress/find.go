package ingress

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// Questions opens what is looked for.
type Questions interface {
	Public() []byte
	Open(sealed []byte) (plain []byte, ok bool)
}

// mostFound is how many records a search lists: a longer list tells nobody apart, because
// values are hidden.
const mostFound = 20

// QuestionKey answers the key that what is looked for is sealed to.
func (a *Activities) QuestionKey(context.Context, activities.QuestionKeyInput) (*activities.QuestionKeyResult, error) {
	if a.o.Questions == nil {
		return nil, run.Blocked("NoKey", "the worker has no key for questions")
	}
	return &activities.QuestionKeyResult{Public: a.o.Questions.Public()}, nil
}

// FindRecords looks for records in both systems by an e-mail address or a name. Nothing of
// it is kept but that somebody searched, and by what.
func (a *Activities) FindRecords(ctx context.Context, in activities.FindInput) (*activities.FindResult, error) {
	defer a.reportEngineCalls(ctx)
	text, err := a.question(in)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	ctx = run.About(ctx, doc)
	m, err := a.resolveMapping(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	search, err := newSearch(m, in.How, text)
	if err != nil {
		return nil, err
	}
	by := map[string]string{activities.ByEmail: "e-mail address", activities.ByName: "name"}[in.How]
	if err := run.LogSearch(ctx, a.o.Ledger, run.Execution(ctx), ledger.Operation{By: in.By, Flow: activities.FlowIngress, Table: in.Table.Name, Detail: "records by " + by}); err != nil {
		return nil, err
	}
	found, err := a.find(ctx, search)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	sealed, err := run.Seal(found, in.AnswerTo)
	if err != nil {
		return nil, err
	}
	return &activities.FindResult{Sealed: sealed}, nil
}

// question opens what is looked for.
func (a *Activities) question(in activities.FindInput) (string, error) {
	if a.o.Questions == nil {
		return "", run.Blocked("NoKey", "the worker has no key for questions")
	}
	var q activities.Question
	plain, ok := a.o.Questions.Open(in.Question)
	if !ok {
		return "", run.Blocked("BadInput", "the question is sealed with another key than the workers have, as after a change of the ledger; ask again")
	}
	if json.Unmarshal(plain, &q) != nil || len(in.AnswerTo) != 32 || !slices.Equal(q.AnswerTo, in.AnswerTo) {
		return "", run.Blocked("BadInput", "the question was not made for this answer; nothing was looked for")
	}
	return q.Text, nil
}

// hit is a record that was found, with its values.
type hit struct {
	row  []byte           // of Dynamics; nil: not there
	held *mapping.Payload // of Campaign; nil: not there
}

func (a *Activities) find(ctx context.Context, s *search) (*activities.Found, error) {
	out := &activities.Found{Hits: []activities.FoundRecord{}, At: time.Now().UTC()}
	query := s.m.query
	query.Track, query.Filter, query.OrderBy = false, s.filter, query.KeyColumn
	page, err := a.o.Source.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("looking for records of %s in Dynamics: %w", s.m.plan.Table.Dynamics.Table, err)
	}
	out.More = page.NextLink != ""
	hits := map[string]*hit{}
	for i := range page.Changes {
		if c := &page.Changes[i]; !c.Deleted {
			hits[c.Key] = &hit{row: c.Raw}
		}
	}
	nameless, more, err := a.findInCampaign(ctx, s, hits)
	if err != nil {
		return nil, err
	}
	ids := slices.Sorted(maps.Keys(hits))
	if len(ids) > mostFound {
		ids, more = ids[:mostFound], true
	}
	out.More = out.More || more
	for _, id := range ids {
		if err := a.complete(ctx, s, id, hits[id]); err != nil {
			return nil, err
		}
		out.Hits = append(out.Hits, s.inGeneralTerms(id, hits[id]))
	}
	for _, h := range nameless {
		out.Hits = append(out.Hits, s.inGeneralTerms("", h))
	}
	return out, nil
}

// findInCampaign adds the profiles that fit. nameless are those whose key is no id.
func (a *Activities) findInCampaign(ctx context.Context, s *search, hits map[string]*hit) (nameless []*hit, more bool, err error) {
	for _, options := range s.lists {
		page, err := a.o.Target.List(ctx, s.m.resource, options)
		if err != nil {
			return nil, false, fmt.Errorf("looking for records of %s in Campaign: %w", s.m.resource.Name, err)
		}
		more = more || page.Next != ""
		for _, raw := range page.Records {
			if !s.matches(raw) {
				continue
			}
			held, err := s.m.mapper.FromTarget(raw)
			if err != nil {
				return nil, false, fmt.Errorf("reading a record of %s from Campaign: %w", s.m.resource.Name, err)
			}
			key := strings.ToLower(gjson.GetBytes(raw, s.m.plan.Table.Campaign.Key).String())
			switch h := hits[key]; {
			case !recordID.MatchString(key):
				nameless = append(nameless, &hit{held: held})
			case h != nil:
				h.held = held
			default:
				hits[key] = &hit{held: held}
			}
		}
	}
	return nameless, more, nil
}

// complete asks the other system for a record that only one has found: it may have the same
// record with another value.
func (a *Activities) complete(ctx context.Context, s *search, id string, h *hit) error {
	if h.row == nil {
		row, err := a.o.Source.Get(ctx, s.m.query, id)
		switch {
		case err == nil:
			h.row = row.Raw
		case apierr.ReasonOf(err) != apierr.ReasonNotFound:
			return fmt.Errorf("reading %s of %s from Dynamics: %w", id, s.m.plan.Table.Dynamics.Table, err)
		}
	}
	if h.held != nil {
		return nil
	}
	there, err := (&recordWriter{target: a.o.Target, ledger: a.o.Ledger, m: s.m, table: s.m.plan.Table.Name}).readTarget(ctx, id)
	if err != nil {
		return fmt.Errorf("reading %s of %s from Campaign: %w", id, s.m.resource.Name, err)
	}
	h.held = there.Payload
	return nil
}
