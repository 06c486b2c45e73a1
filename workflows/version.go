package workflows

// Version numbers the order in which this build's workflows do things. A change to
// that order goes behind
//
//	workflow.GetVersion(ctx, "what-changed", workflow.DefaultVersion, <number>)
//
// because histories that were written before it are replayed with the new code.
// Each number has a line here, with its change ids and with when they can go:
//
//	1  release 1 to be; no branches, histories from before it are not replayed
const Version = 1
