package optout

import "slices"

// optedOut says that an opt-out is known of a pair, on either side, also where a system
// does not hold the value any more.
func (p Pair) optedOut() bool {
	return p.Owed || p.Dynamics.Known && p.Dynamics.Out || p.Campaign.Known && p.Campaign.Out
}

// OptedOut lists the attributes of which an opt-out is known, on either side. A profile
// that is created has to hold them. What was known of Dynamics does not count for the
// attributes in read, whose columns were read since.
func (c *Contact) OptedOut(read []string) []string {
	var out []string
	for _, p := range c.Pairs {
		attribute := ParsePair(p.Name).Campaign
		if slices.Contains(read, attribute) {
			p.Dynamics = Side{}
		}
		if p.optedOut() && !slices.Contains(out, attribute) {
			out = append(out, attribute)
		}
	}
	return out
}

// HandsOver lists the pairs whose opt-out goes to the winner that this contact was
// merged into: all that are known when the merge is seen, and each that is chosen
// later. before is what was known before. Only opt-outs go on: a person who opted out
// must not get mail because of a merge.
func (c *Contact) HandsOver(before *Contact, pairs []string) []string {
	if c.Winner == "" {
		return nil
	}
	var out []string
	for _, name := range pairs {
		known := before.Winner == c.Winner && before.Pair(name).optedOut()
		if c.Pair(name).optedOut() && !known {
			out = append(out, name)
		}
	}
	return out
}

// TakeOver takes in that a contact which was merged into this one has opted out. It is
// to be held by both systems, whatever they say.
func (c *Contact) TakeOver(pair string) { c.pair(pair).Owed = true }

// Owes says that an opt-out of a merged contact is not held by both systems yet.
func (c *Contact) Owes() bool {
	return slices.ContainsFunc(c.Pairs, func(p Pair) bool { return p.Owed })
}
