// Package logs writes what flows did into files on the file server of Campaign, one a flow
// and day. worker/host makes its activities, which the workflow LogExport orders.
package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// Files is the file server.
type Files interface {
	EnsureFolder(ctx context.Context, folder string) error
	Upload(ctx context.Context, file string, content io.Reader) error
	List(ctx context.Context, folder string) ([]campaign.RemoteFile, error)
	Remove(ctx context.Context, file string) error
}

// Options are what the activities are made with.
type Options struct {
	Instance string
	Ledger   *ledger.Ledger
	Files    Files // nil: nothing is exported
	Folder   string
	Flows    []string // names of the tables, egress, optout
	KeepDays int
	MaxBytes int64
	Loads    bool // each record of a load is listed
	Mask     bool // no e-mail address is written
	Now      func() time.Time
}

// Activities holds the activities.
type Activities struct{ o Options }

// New makes the activities of one worker.
func New(o Options) *Activities {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Activities{o: o}
}

// Register makes the activities known to a worker.
func (a *Activities) Register(r activities.Registry) {
	activities.Register(r, map[string]any{activities.LogDays: a.LogDays, activities.ExportLog: a.ExportLog, activities.EndLogDay: a.EndLogDay})
}

const dayForm = "2006-01-02"

// LogDays says which days have ended and are not written yet: the last one, and those before
// it that an earlier export has missed, as far back as files are kept.
func (a *Activities) LogDays(ctx context.Context, _ activities.LogDaysInput) (*activities.LogDaysResult, error) {
	if a.o.Files == nil {
		return &activities.LogDaysResult{Off: true}, nil
	}
	state, err := Last(ctx, a.o.Ledger)
	if err != nil {
		return nil, err
	}
	yesterday := a.o.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	first := yesterday
	if state != nil && state.Done != "" {
		done, err := time.Parse(dayForm, state.Done)
		if err != nil {
			return nil, fmt.Errorf("the day that was written last: %w", err)
		}
		first = slices.MaxFunc([]time.Time{done.AddDate(0, 0, 1), yesterday.AddDate(0, 0, 1-a.o.KeepDays)}, time.Time.Compare)
	}
	out := &activities.LogDaysResult{Flows: a.o.Flows}
	for day := first; !day.After(yesterday); day = day.AddDate(0, 0, 1) {
		out.Days = append(out.Days, day.Format(dayForm))
	}
	return out, nil
}

// ExportLog writes one file. Written again it replaces the one before, unless that one says
// more; nobody sees a half of it. What fails is kept for status, and tried again by Temporal.
func (a *Activities) ExportLog(ctx context.Context, in activities.ExportLogInput) (*activities.ExportLogResult, error) {
	if a.o.Files == nil {
		return &activities.ExportLogResult{}, nil
	}
	out, err := a.export(ctx, in)
	if err != nil {
		return nil, a.failed(ctx, fmt.Errorf("exporting the log of %s of %s: %w", in.Flow, in.Day, err))
	}
	return out, nil
}

func (a *Activities) export(ctx context.Context, in activities.ExportLogInput) (*activities.ExportLogResult, error) {
	day, err := time.Parse(dayForm, in.Day)
	if err != nil {
		return nil, err
	}
	// The file is made here first: the connection to the server is not kept waiting for the ledger.
	local, err := os.CreateTemp("", "causeway-log-*.csv")
	if err != nil {
		return nil, err
	}
	defer os.Remove(local.Name())
	defer local.Close()
	f := newFile(local, a.o.MaxBytes, a.o.Mask)
	if err := a.write(ctx, f, in.Flow, day); err != nil {
		return nil, err
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	if _, err := local.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	name := path.Join(a.o.Folder, fileName(a.o.Instance, in.Flow, in.Day))
	if err := a.o.Files.EnsureFolder(ctx, a.o.Folder); err != nil {
		return nil, err
	}
	more, err := a.saysMore(ctx, name, f.size.n)
	if err != nil {
		return nil, err
	}
	if !more {
		if err := a.o.Files.Upload(ctx, name, local); err != nil {
			return nil, err
		}
	}
	return &activities.ExportLogResult{File: name, Lines: f.lines, Cut: f.cut}, nil
}

// saysMore is true when the file of a day is there already and longer than the one that would
// replace it. So it is when the ledger was restored since: it lacks what was done on that day.
func (a *Activities) saysMore(ctx context.Context, name string, size int64) (bool, error) {
	files, err := a.o.Files.List(ctx, a.o.Folder)
	for _, f := range files {
		if f.Name() == path.Base(name) && f.Size > size {
			return true, err
		}
	}
	return false, err
}

// fileName is that of a flow and day. Names of instances hold no underscore, so that several
// can share a folder.
func fileName(instance, flow, day string) string { return instance + "_" + flow + "_" + day + ".csv" }

// EndLogDay removes files that are older than they may be, and remembers that a day is done.
func (a *Activities) EndLogDay(ctx context.Context, in activities.EndLogDayInput) (*activities.EndLogDayResult, error) {
	out := &activities.EndLogDayResult{}
	if a.o.Files == nil {
		return out, nil
	}
	oldest := a.o.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -a.o.KeepDays).Format(dayForm)
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(a.o.Instance) + `_[a-z0-9_-]+_(\d{4}-\d{2}-\d{2})\.csv$`)
	files, err := a.o.Files.List(ctx, a.o.Folder)
	for _, f := range files {
		if m := ours.FindStringSubmatch(f.Name()); err == nil && m != nil && m[1] < oldest {
			if err = a.o.Files.Remove(ctx, f.Path); err == nil {
				out.Removed++
			}
		}
	}
	if err != nil {
		return nil, a.failed(ctx, fmt.Errorf("removing old logs: %w", err))
	}
	return out, a.keep(ctx, activities.LogExportState{Done: in.Day, At: a.o.Now().UTC()})
}

// kept names how the export stands, in the ledger.
const kept = "log_export"

func (a *Activities) keep(ctx context.Context, s activities.LogExportState) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return a.o.Ledger.SaveFact(context.WithoutCancel(ctx), kept, string(doc))
}

// failed keeps a failure for status. What the server refuses is tried again like all else:
// somebody makes room or mends the key, and the file of the day is still wanted.
func (a *Activities) failed(ctx context.Context, failure error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	state, err := Last(ctx, a.o.Ledger)
	if err != nil {
		return err
	}
	if state == nil {
		state = &activities.LogExportState{}
	}
	state.At, state.Problem = a.o.Now().UTC(), failure.Error()+remedies[apierr.ReasonOf(failure)]
	if err := a.keep(ctx, *state); err != nil {
		return err
	}
	return failure
}

// remedies say what to do about what the server answers.
var remedies = map[string]string{
	apierr.ReasonNoSpace:        "; make room on the server, or lower log_export.keep_days or log_export.max_mib",
	apierr.ReasonNetwork:        "; is the address of the worker in the allow list of Campaign's Control Panel?",
	apierr.ReasonHostKeyChanged: "; ask Adobe for the new fingerprint, and set campaign.sftp.known_hosts or campaign.sftp.fingerprint",
	apierr.ReasonPermission:     "; may the user write into log_export.folder?",
	apierr.ReasonCredentials:    "; look at campaign.sftp.key in the Control Panel: keys can expire",
}

// Last is how the export stands; nil when none was made.
func Last(ctx context.Context, l *ledger.Ledger) (*activities.LogExportState, error) {
	doc, err := l.Fact(ctx, kept)
	if err != nil || doc == "" {
		return nil, err
	}
	out := &activities.LogExportState{}
	return out, json.Unmarshal([]byte(doc), out)
}
