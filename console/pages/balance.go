package pages

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
)

// balance is what became of records, as a bar whose parts add up to what was read.
type balance struct {
	Parts []part
	Label string // of the bar, for who does not see it
	Sum   string
	Adds  bool
}

// part is a part of a bar; Class colours it.
type part struct {
	Class, Name, Tip string
	Count            int64
	X, Width         string // in percent
}

// balanceOf is that of some counts; nil when nothing was read.
func balanceOf(flow string, c activities.Counts) *balance {
	if c.Read == 0 && c.Settled() == 0 {
		return nil
	}
	b := &balance{}
	of, at := float64(max(c.Read, c.Settled())), int64(0)
	var terms, words []string
	for _, p := range partsOf(flow, c) {
		if p.Count > 0 {
			terms = append(terms, humanize.Comma(p.Count))
			words = append(words, humanize.Comma(p.Count)+" "+strings.ToLower(p.Name))
			p.X, p.Width = fmt.Sprintf("%.2f", 100*float64(at)/of), fmt.Sprintf("%.2f", 100*float64(p.Count)/of)
			at += p.Count
		}
		b.Parts = append(b.Parts, p)
	}
	b.Label = "Of " + humanize.Comma(c.Read) + " read: " + strings.Join(words, ", ")
	b.Sum = "Read " + humanize.Comma(c.Read) + " = " + strings.Join(terms, " + ")
	switch missing := c.Read - c.Settled(); {
	case missing == 0:
		b.Adds = true
		b.Sum += "."
	case missing > 0:
		b.Sum += " + " + humanize.Comma(missing) + " that have no outcome yet."
	default:
		b.Sum += " − " + humanize.Comma(-missing) + " that earlier runs had read."
	}
	return b
}

func partsOf(flow string, c activities.Counts) []part {
	if flow == activities.FlowEgress {
		return []part{
			{Class: "created", Name: "Created", Count: c.Created},
			{Class: "unchanged", Name: "Already there", Count: c.Unchanged},
			{Class: "filtered", Name: "Type is off", Tip: "Events of a type that the configuration does not carry.", Count: c.Disabled},
			{Class: "parked", Name: "Soft bounce", Tip: "The message may still be delivered, so nothing is written.", Count: c.SoftBounce},
			{Class: "updated", Name: "Seed or proof", Tip: "Events of test addresses.", Count: c.SeedOrProof},
			{Class: "deleted", Name: "No contact", Tip: "Dynamics has no such contact.", Count: c.NoContact},
			{Class: "filtered", Name: "Ignored", Tip: "Events of another kind.", Count: c.Ignored},
			{Class: "quarantined", Name: "Quarantined", Tip: quarantineTip, Count: c.Quarantined},
		}
	}
	return []part{
		{Class: "created", Name: "Created", Count: c.Created},
		{Class: "updated", Name: "Updated", Count: c.Updated},
		{Class: "unchanged", Name: "Unchanged", Count: c.Unchanged},
		{Class: "filtered", Name: "Filtered", Tip: "The record does not match the filters of the mapping, so it is left out.", Count: c.Filtered},
		{Class: "deleted", Name: "Deleted", Count: c.Deleted},
		{Class: "parked", Name: "Parked", Tip: "The record waits for its parent, and goes on by itself when the parent arrives.", Count: c.Parked},
		{Class: "quarantined", Name: "Quarantined", Tip: quarantineTip, Count: c.Quarantined},
	}
}

const quarantineTip = "Records that the other side refused. Each is set aside with its reason, and the rest goes on."
