package optout

import "encoding/json"

// Chosen says whether an opt-out was chosen in what the ledger keeps of a contact, or is
// owed to it. What cannot be read counts as one.
func Chosen(doc []byte) bool {
	var c Contact
	if err := json.Unmarshal(doc, &c); err != nil {
		return true
	}
	for _, p := range c.Pairs {
		if p.Owed || p.Dynamics.Known && p.Dynamics.Out || p.Campaign.Known && p.Campaign.Out {
			return true
		}
	}
	return false
}
