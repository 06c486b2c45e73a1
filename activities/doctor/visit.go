package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"causeway.dev/activities"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
)

// visit is one look at everything. What a check has read, those that need it use.
type visit struct {
	a    *Activities
	seen *witness

	me         once[string]                        // "user": our id in Dynamics
	held       once[map[string]dataverse.Depth]    // "privileges": ours
	tables     once[*dataverse.Entity]             // by logical name
	resources  once[*campaign.Metadata]            // by api and name
	plans      once[*mapping.Plan]                 // by mapping
	optOutFrom once[*activities.CheckSourceResult] // "source"
}

// Names of checks that others need.
const (
	ledgerReachable = activities.AreaLedger + ": reachable"
	dynamicsToken   = activities.AreaDynamics + ": token"
	dynamicsReached = activities.AreaDynamics + ": reachable"
	ownPrivileges   = activities.AreaDynamics + ": roles"
	campaignToken   = activities.AreaCampaign + ": token"
	campaignReached = activities.AreaCampaign + ": reachable"
	sftpReached     = activities.AreaSFTP + ": reachable"
)

func (v *visit) steps() []step {
	out := v.ledger()
	out = append(out, v.dynamics()...)
	out = append(out, v.campaign()...)
	out = append(out, v.models()...)
	out = append(out, v.sources()...)
	out = append(out, v.hooks()...)
	return append(out, v.credentials()...)
}

func (v *visit) ledger() []step {
	o := v.a.o
	return []step{
		{activities.AreaLedger, "reachable", nil, func(ctx context.Context) finding {
			if err := o.Ledger.Ping(ctx); err != nil {
				return fail(err.Error(), "", "start the database, or correct ledger.path or ledger.dsn; put a file that was moved back")
			}
			left := o.Now()
			h, err := o.Ledger.Health(ctx)
			switch {
			case err != nil:
				return fail(err.Error(), "", "start the database, or correct ledger.path or ledger.dsn")
			case h.Refuses != "":
				return fail(h.Refuses, "a ledger that can be written", "make room on the disk, or give the worker's account the right to write")
			}
			if !h.Now.IsZero() {
				v.seen.answered("PostgreSQL", h.Now, left, o.Now())
			}
			return ok("%s %s, schema %d, written to", h.Driver, h.Server, h.Schema)
		}},
		{activities.AreaLedger, "free space", []string{ledgerReachable}, func(ctx context.Context) finding {
			h, err := o.Ledger.Health(ctx)
			switch {
			case err != nil:
				return fail(err.Error(), "", "start the database")
			case !h.Known:
				return skipped("the disk of a %s server is not seen from here; watch it there", h.Driver)
			}
			return room(h.Free, o.FreeSpace, "make room on the disk of ledger.path, or move the ledger to a larger one")
		}},
		{activities.AreaLedger, "backup", []string{ledgerReachable}, func(ctx context.Context) finding {
			s, err := o.Backups(ctx)
			if err != nil {
				return failing(err)
			}
			return backups(s, o.Now())
		}},
		{activities.AreaLedger, "encryption key", []string{ledgerReachable}, func(ctx context.Context) finding {
			s, err := o.Ledger.Sealing(ctx)
			switch {
			case err != nil:
				return fail(err.Error(), "the keys that sealed it", "name every key that sealed the ledger in ledger.encryption_key")
			case s.Key == "":
				return warn("no key: what can hold a value of a person lies in clear", "a key", "set ledger.encryption_key and restart the worker")
			case len(s.OlderKey) > 0:
				return warn(fmt.Sprintf("key %s seals; older ones are still needed: %s", s.Key, strings.Join(s.OlderKey, ", ")), "one key", "seal everything with the first: causeway ledger rekey")
			}
			return ok("key %s seals", s.Key)
		}},
	}
}

// backups judges those of the ledger. Without a nightly one, nobody says how old the last may be.
func backups(s *activities.BackupState, now time.Time) finding {
	const remedy = "make room in ledger.backup.folder and let the worker write there, then: causeway ledger backup"
	switch {
	case s == nil:
		return skipped("PostgreSQL is backed up by its own tools (docs/backup.md); watch it there")
	case s.Failed != "":
		return warn("the last attempt failed on "+s.FailedAt.Format(time.DateTime)+" UTC: "+s.Failed, "a copy that can be restored", remedy)
	case s.Late(now):
		return warn("the last is from "+s.Last.At.Format(time.DateTime)+" UTC", "one of the last "+s.WarnAfter.String(), remedy)
	case s.Last == nil:
		return ok("none was made yet; ledger.backup.nightly makes one every night")
	}
	return ok("the last is from %s UTC, %s", s.Last.At.Format(time.DateTime), humanize.IBytes(uint64(max(0, s.Last.Size)))) //nolint:gosec // not negative
}

func room(free, least uint64, remedy string) finding {
	if free < least {
		return fail(humanize.IBytes(free)+" free", "at least "+humanize.IBytes(least), remedy)
	}
	return ok("%s free", humanize.IBytes(free))
}

func (v *visit) sources() []step {
	o := v.a.o
	var out []step
	if o.Journal != nil {
		out = append(out, step{activities.AreaJournal, "reachable", []string{campaignToken}, func(ctx context.Context) finding {
			page, err := o.Journal.Page(ctx, "", 1)
			if err != nil {
				return failing(err)
			}
			return ok("answers, with %d event(s) from the oldest on", len(page.Events))
		}})
	} else if o.Events.Enabled() && o.Events.Journal() {
		out = append(out, step{activities.AreaJournal, "configured", nil, func(context.Context) finding {
			return fail("egress.source reads the journal, and campaign.journal.url is not set", "the address of the journal", "copy the journaling endpoint of the registration to campaign.journal.url, or set egress.source: sftp")
		}})
	}
	if o.Files == nil {
		if o.Events.Enabled() && o.Events.SFTP() {
			out = append(out, step{activities.AreaSFTP, "configured", nil, func(context.Context) finding {
				return fail("egress.source reads files, and campaign.sftp is not set", "a file server", "set campaign.sftp, or egress.source: journal")
			}})
		}
		return out
	}
	return append(out,
		step{activities.AreaSFTP, "reachable", nil, func(ctx context.Context) finding {
			files, err := o.Files.Server.List(ctx, o.Files.Folder)
			if err != nil {
				return failing(err)
			}
			return ok("host key and login are right, %s holds %d file(s)", o.Files.Folder, len(files))
		}},
		step{activities.AreaSFTP, "free space", []string{sftpReached}, func(ctx context.Context) finding {
			if o.Space == nil {
				return skipped("it is not asked")
			}
			free, _, known, err := o.Space.Space(ctx, o.Files.Folder)
			switch {
			case err != nil:
				return failing(err)
			case !known:
				return skipped("the server does not tell; see Campaign's Control Panel")
			}
			return room(free, o.FreeSpace, remedies["sftp"]["NoSpace"])
		}},
		step{activities.AreaSFTP, "allow list", []string{sftpReached}, func(context.Context) finding {
			return ok("the address from which this network reaches the internet is let in")
		}})
}

func (v *visit) credentials() []step {
	return []step{{activities.AreaCredentials, "ends", nil, func(context.Context) finding {
		o := v.a.o
		var worst finding
		if o.Credentials != nil {
			for _, c := range o.Credentials() {
				f := ending("the certificate of "+c.Setting, c.Ends, o.Now(), o.Expiry, "register a new certificate in the app registration in Entra ID, and replace the file that "+c.Setting+" names")
				if worst.state == "" || f.state == activities.CheckFail || worst.state == activities.CheckOK {
					worst = f
				}
			}
		}
		if worst.state == "" {
			return skipped("when a client secret ends is known to its service alone; note it in a calendar")
		}
		return worst
	}}}
}

// models are the checks of mappings, pairs and tables of events against both systems.
func (v *visit) models() []step {
	o := v.a.o
	var out []step
	for _, t := range o.Tables {
		needs := []string{definitionOf(t.Dynamics.Table), fieldsOf(t)}
		out = append(out,
			step{activities.AreaModels, "mapping " + t.Name, needs, func(context.Context) finding {
				plan, err := ingress.Fit(t, v.tables.of(t.Dynamics.Table), v.resources.of(resourceName(t)))
				if problems, is := errors.AsType[mapping.Problems](err); is {
					return unfit(problems)
				}
				if err != nil {
					return failing(err)
				}
				v.plans.keep(t.Name, plan)
				return ok("%d field(s) fit both systems", len(plan.Fields))
			}},
			step{activities.AreaModels, "mapping " + t.Name + ": changes since the last run", []string{modelOf(t), ledgerReachable}, func(ctx context.Context) finding {
				changes, err := o.Ingress.Drifted(ctx, v.plans.of(t.Name))
				switch {
				case err != nil:
					return failing(err)
				case len(changes) > 0:
					return warn(strings.Join(changes, "; "), "the data models that the flow runs by", "look whether that is meant, then: causeway plan "+t.Name+" and causeway apply "+t.Name)
				}
				return ok("none")
			}})
	}
	if o.Events.Enabled() {
		out = append(out, step{activities.AreaModels, "events", []string{activityTables}, func(context.Context) finding {
			found := map[string]*dataverse.Entity{}
			for _, name := range o.Events.Needed() {
				if e := v.tables.of(name); e != nil {
					found[name] = e
				}
			}
			if err := o.Egress.Fit(o.Events, v.me.of("user"), found); err != nil {
				return fail(err.Error(), "tables with the columns of the solution", "correct egress.tables, or update the solution")
			}
			return ok("%d table(s) of activities fit", len(found))
		}})
	}
	if o.OptOuts.WhyIdle() == "" && o.OptOut != nil {
		out = append(out, v.optOuts()...)
	}
	return out
}

// unfit tells the first problem in full, and how many more there are.
func unfit(problems mapping.Problems) finding {
	p := problems[0]
	found := p.Path + ": " + p.Got
	if n := len(problems) - 1; n > 0 {
		found += fmt.Sprintf(" (and %d more)", n)
	}
	remedy := p.Remedy
	if remedy == "" {
		remedy = "correct " + p.Path
	}
	return fail(found, p.Want, remedy)
}
