package run

// Cycle notices when the links of a reading come round again. It remembers one link at a
// time, at ever longer distances, so a cycle of any length is found before it has been
// read three times. The zero value is ready.
type Cycle struct {
	mark       string
	seen, next int
}

// Closes notes the next link of a reading. It is true when it was there before.
func (c *Cycle) Closes(link string) bool {
	if link == "" {
		return false
	}
	if c.seen > 0 && link == c.mark {
		return true
	}
	if c.seen >= c.next {
		c.mark, c.next = link, max(1, 2*c.next)
		c.seen = 0
	}
	c.seen++
	return false
}
