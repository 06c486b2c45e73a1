package optout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// PreflightOptOut checks settings against both systems before anything is read, and keeps
// what they resolved to. Settings that do not fit fail with every problem at once.
func (a *Activities) PreflightOptOut(ctx context.Context, in activities.PreflightOptOutInput) (_ *activities.PreflightOptOutResult, err error) {
	defer func() { err = run.AtStart(err) }()
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	if err := run.CheckInstance(a.o.Instance, activity.GetInfo(ctx).WorkflowExecution.ID); err != nil {
		return nil, err
	}
	if err := run.NotBefore(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, in.StartMark); err != nil {
		return nil, err
	}
	if idle := in.Settings.WhyIdle(); idle != "" {
		return nil, run.Blocked("Settings", idle)
	}
	plan, err := a.resolvePairs(ctx, in.Settings)
	if err != nil {
		return nil, err
	}
	found, err := a.findSources(ctx, plan)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	if found.Source == "" {
		return nil, run.Blocked("Settings", noSource(in.Settings, found))
	}
	plan.Source = found.Source
	doc, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("keeping the opt-out settings: %w", err)
	}
	sum := sha256.Sum256(doc)
	out := &activities.PreflightOptOutResult{Revision: in.Settings.Revision(), Plan: hex.EncodeToString(sum[:4]), Source: plan.Source}
	ref := activities.RunRef{Revision: out.Revision, Plan: out.Plan}
	if err := a.o.Ledger.SaveRevision(ctx, activities.FlowOptOut+"/"+ref.PlanKey(), doc); err != nil {
		return nil, fmt.Errorf("keeping the opt-out settings: %w", err)
	}
	a.models.Checked(ctx, activities.FlowOptOut, ref.PlanKey())
	if out.Restored, err = run.StartRestored(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, in.Restored); err != nil {
		return nil, err
	}
	if err := errors.Join(a.findPosition(ctx, plan, out, in.Restored != "" || out.Restored != ""), a.hints(ctx, plan, out)); err != nil {
		return nil, err
	}
	return out, run.KeepStart(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, in.StartMark)
}

func noSource(s optout.Settings, found *activities.CheckSourceResult) string {
	var why []string
	if s.Source != optout.SourceSFTP {
		why = append(why, "over REST: "+found.REST)
	}
	if s.Source != optout.SourceREST {
		why = append(why, "from files: "+found.SFTP)
	}
	return "what people chose in Campaign cannot be read, " + strings.Join(why, "; ")
}

// resolvePairs fits the pairs to both data models (R19.7, R19.8).
func (a *Activities) resolvePairs(ctx context.Context, s optout.Settings) (*settingsPlan, error) {
	plan, problems, err := a.readPairs(ctx, s)
	switch {
	case err != nil:
		return nil, run.ToTemporal(ctx, err)
	case problems != "":
		return nil, run.Blocked("Settings", problems)
	}
	return plan, nil
}

// readPairs reads both data models and fits the pairs to them; problems is what does not fit.
func (a *Activities) readPairs(ctx context.Context, s optout.Settings) (plan *settingsPlan, problems string, err error) {
	entity, err := a.o.Dynamics.Entity(ctx, "contact")
	if err != nil {
		return nil, "", fmt.Errorf("reading the definition of contact: %w", err)
	}
	plan = &settingsPlan{Settings: s, EntitySet: entity.EntitySetName, Key: entity.PrimaryIdAttribute, API: "profileAndServicesExt", Wire: map[string]string{}, Stamps: map[string]string{}}
	metadata, err := a.o.Campaign.Metadata(ctx, plan.resource())
	if reason := apierr.ReasonOf(err); apierr.ClassOf(err) != apierr.Retryable && (reason == apierr.ReasonSchema || reason == apierr.ReasonNotFound) {
		plan.API = "profileAndServices" // which has the built-in fields, and exists in any case
		metadata, err = a.o.Campaign.Metadata(ctx, plan.resource())
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the definition of profile: %w", err)
	}
	if found := append(contactProblems(entity, s.Pairs), plan.bind(metadata)...); len(found) > 0 {
		problems = "the opt-out settings do not fit: " + strings.Join(found, "; ")
	}
	return plan, problems, nil
}

// ContactProblems is what the table contact lacks for the pairs.
func ContactProblems(entity *dataverse.Entity, pairs []optout.PairSetting) []string {
	return contactProblems(entity, pairs)
}

func contactProblems(entity *dataverse.Entity, pairs []optout.PairSetting) []string {
	var out []string
	if !entity.ChangeTrackingEnabled {
		out = append(out, "change tracking is off for contact; an administrator of Dynamics switches it on") // R3.10
	}
	if !entity.OptimisticConcurrency {
		out = append(out, "optimistic concurrency is off for contact, without which an edit could be overwritten unseen; an administrator of Dynamics switches it on")
	}
	for i, p := range pairs {
		column, ok := entity.Attributes[p.Dynamics]
		at := fmt.Sprintf("opt_out.pairs[%d].dynamics: ", i)
		switch {
		case !ok:
			out = append(out, at+"contact has no column "+p.Dynamics)
		case column.Type != "Boolean":
			out = append(out, at+p.Dynamics+" is of type "+column.Type+", want Boolean") // R19.8
		case !column.Readable || !column.Updatable:
			out = append(out, at+p.Dynamics+" cannot be read and updated by the application user")
		}
	}
	return out
}

// bind finds the profile's field for each attribute (docs/protocol/campaign.md §3.1).
func (p *settingsPlan) bind(m *campaign.Metadata) []string {
	var out []string
	if _, ok := m.Fields[profileKey]; !ok {
		out = append(out, "profile has no field "+profileKey)
	}
	for i, pair := range p.Settings.Pairs {
		names := optout.Wire(pair.Campaign)
		at := slices.IndexFunc(names, func(n string) bool { _, ok := m.Fields[n]; return ok })
		path := fmt.Sprintf("opt_out.pairs[%d].campaign: ", i)
		if at < 0 {
			out = append(out, path+"profile has no field "+strings.Join(names, ", "))
			continue
		}
		wire := names[at]
		switch field := m.Fields[wire]; {
		case field.Type != "boolean" && field.ResType != "boolean":
			out = append(out, path+wire+" is of type "+field.Type+", want boolean")
		case field.ReadOnly && p.Settings.Mode == optout.Bidirectional:
			out = append(out, path+wire+" cannot be written")
		}
		p.Wire[pair.Campaign] = wire
		if _, dated := m.Fields[wire+"LastModified"]; dated {
			p.Stamps[pair.Campaign] = wire + "LastModified"
		}
	}
	return out
}

// CheckSource says where Campaign's choices can be read, for an operator.
func (a *Activities) CheckSource(ctx context.Context, in activities.CheckSourceInput) (*activities.CheckSourceResult, error) {
	defer run.KeepBeating(ctx, nil)()
	s := in.Settings
	if len(s.Pairs) == 0 {
		for _, attribute := range optout.Attributes() {
			s.Pairs = append(s.Pairs, optout.PairSetting{Campaign: attribute})
		}
	}
	plan := &settingsPlan{Settings: s, API: "profileAndServicesExt", Wire: map[string]string{}, Stamps: map[string]string{}}
	metadata, err := a.o.Campaign.Metadata(ctx, plan.resource())
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading the definition of profile: %w", err))
	}
	plan.bind(metadata)
	out, err := a.findSources(ctx, plan)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	for _, p := range s.Pairs {
		out.Fields = append(out.Fields, activities.OptOutField{Attribute: p.Campaign, Field: plan.Wire[p.Campaign], Stamp: plan.Stamps[p.Campaign]})
	}
	return out, nil
}

// findSources finds out which sources can be read, and picks one.
func (a *Activities) findSources(ctx context.Context, plan *settingsPlan) (*activities.CheckSourceResult, error) {
	out := &activities.CheckSourceResult{}
	var err error
	if out.REST, err = a.whyNotREST(ctx, plan); err != nil {
		return nil, err
	}
	if out.SFTP, err = a.whyNotFiles(ctx, plan.Settings); err != nil {
		return nil, err
	}
	switch want := plan.Settings.Source; {
	case want != optout.SourceSFTP && out.REST == "":
		out.Source = optout.SourceREST
	case want != optout.SourceREST && out.SFTP == "":
		out.Source = optout.SourceSFTP
	}
	return out, nil
}

// whyNotREST says why changes cannot be read over REST; "" when they can.
func (a *Activities) whyNotREST(ctx context.Context, plan *settingsPlan) (string, error) {
	for _, p := range plan.Settings.Pairs {
		// Campaign has no stamp for ccpaOptOut, so its age is unknown from either source.
		if plan.Stamps[p.Campaign] == "" && p.Campaign != "ccpaOptOut" {
			return "the instance does not publish when " + p.Campaign + " last changed", nil
		}
	}
	f := plan.Settings.ModifiedSince
	_, err := a.o.Campaign.List(ctx, plan.resource(), campaign.ListOptions{
		Filter: f.Filter, Params: map[string]string{f.Parameter: stampText(a.o.Now())}, Lines: 1,
	})
	switch class := apierr.ClassOf(err); {
	case err == nil:
		return "", nil
	case class == apierr.Rejected, class == apierr.Blocked && apierr.ReasonOf(err) == apierr.ReasonSchema:
		return "the profile has no filter " + f.Filter + " with parameter " + f.Parameter + " (opt_out.modified_since); an administrator of Campaign can make one", nil
	}
	return "", fmt.Errorf("trying the filter %s of profile: %w", f.Filter, err)
}

// whyNotFiles says why exports cannot be read; "" when they can.
func (a *Activities) whyNotFiles(ctx context.Context, s optout.Settings) (string, error) {
	if a.o.Files == nil {
		return "the worker's configuration has no campaign.sftp", nil
	}
	if s.Source == optout.SourceREST {
		return "", nil
	}
	_, err := a.o.Files.Server.List(ctx, a.o.Files.Folder)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return "the folder " + a.o.Files.Folder + " does not exist on the file server; create it after the first login", nil // R5.12
	}
	if err != nil {
		return "", fmt.Errorf("looking at the file server: %w", err)
	}
	return "", nil
}

// findPosition says where the flow goes on. Other pairs or another rule call for a
// baseline.
// With anew no stopped look goes on: what is staged is as old as the backup that the
// ledger was restored from.
func (a *Activities) findPosition(ctx context.Context, plan *settingsPlan, out *activities.PreflightOptOutResult, anew bool) error {
	var err error
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, activities.FlowOptOut, ""); err != nil {
		return err
	}
	if out.Waiting, err = a.o.Ledger.OptOutsWaiting(ctx, ledger.WaitsForProfile); err != nil {
		return err
	}
	mark, err := a.o.Ledger.Watermark(ctx, activities.FlowOptOut, activities.FlowOptOut)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		out.NeedsBaseline = true
	case err != nil:
		return err
	default:
		out.Watermark = mark.ObtainedAt
		last, err := a.planOf(ctx, mark.Revision)
		out.NeedsBaseline = err != nil || !samePlan(last, plan)
	}
	out.NeedsBaseline = out.NeedsBaseline || anew
	stopped, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowOptOut, Table: activities.FlowOptOut, State: ledger.RunStopped})
	if err != nil {
		return err
	}
	for _, run := range stopped {
		if !anew && out.NeedsBaseline && out.UnfinishedRun == "" && activities.Kind(run.Kind) == activities.KindInitial && run.Revision == out.Revision {
			out.UnfinishedRun = run.ID
			continue
		}
		if err := errors.Join(a.o.Ledger.SetRunState(ctx, run.ID, ledger.RunCancelled, "another start took its place"), a.o.Ledger.ForgetPages(ctx, run.ID)); err != nil {
			return err
		}
	}
	return run.CloseLost(ctx, a.o.Ledger, ledger.RunFilter{Flow: activities.FlowOptOut}, "", a.o.Ledger.ForgetPages)
}

// samePlan says whether what was decided under one plan still stands under the other.
func samePlan(a, b *settingsPlan) bool {
	return a.Settings.Policy() == b.Settings.Policy() && slices.Equal(a.Settings.Names(), b.Settings.Names()) && a.Source == b.Source
}

// hints adds warnings that an operator should know before the first choice is written.
func (a *Activities) hints(ctx context.Context, plan *settingsPlan, out *activities.PreflightOptOutResult) error {
	if out.NeedsBaseline {
		out.Warnings = append(out.Warnings, activities.TypologyWarning) // R19.18
	}
	for _, p := range plan.Settings.Pairs {
		if plan.Stamps[p.Campaign] == "" && plan.Settings.Mode == optout.Bidirectional {
			out.Warnings = append(out.Warnings, "the instance keeps no time of the last change of "+p.Campaign+": an opt-out on either side wins, and nobody can opt back in on one side alone")
		}
	}
	if plan.Source != optout.SourceSFTP {
		return nil
	}
	done, err := a.o.Ledger.ExportFiles(ctx, activities.FlowOptOut, ledger.FileDone, 1)
	if err == nil && len(done) == 0 {
		out.Warnings = append(out.Warnings, "no export was ever read: Adobe sets up the Campaign workflow that writes it on request") // R19.14
	}
	return err
}
