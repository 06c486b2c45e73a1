// Package run carries out any run: it begins the run, stages its pages in lanes,
// writes the lanes, and ends the run. The activities of the flows call it; each flow
// supplies only how a page is read and how records are written.
//
// A lane is written by an Attempt. The attempt hands groups of units to the flow's
// Writer, which hands back results, and a committer commits these to the ledger. What
// fails is tried again, set aside, or ends the attempt.
package run
