package operator

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"

	"causeway.dev/activities"
	"causeway.dev/config/edit"
)

// SaveResult is what became of a save.
type SaveResult struct {
	ID          string            `json:"id,omitempty"` // "" when there was nothing to save
	Files       []string          `json:"files"`
	Differences []edit.Difference `json:"differences"`
	Warning     string            `json:"warning,omitempty"` // it was saved, and something else was not done
}

// SaveConfig writes a draft, and has a worker keep what was saved, by whom, and why. That
// waits in Temporal for a worker, because there may be none. The errors of edit.Save come
// as they are: nothing was written then. Whoever calls has seen to it that the person may.
func (i *Instance) SaveConfig(ctx context.Context, d *edit.Draft, reason string) (*SaveResult, error) {
	saved, err := d.Save()
	if err != nil {
		return nil, err
	}
	out := &SaveResult{Files: []string{}, Differences: saved.Differences}
	if len(saved.Files) == 0 {
		return out, nil
	}
	now := i.Now().UTC()
	out.ID = now.Format("20060102T150405Z") + "-" + uuid.NewString()[:8]
	in := activities.RecordSaveInput{ConfigSave: activities.ConfigSave{ID: out.ID, At: now, By: i.By, Reason: reason, Differences: saved.Differences}}
	main := d.Files()[0]
	for _, f := range saved.Files {
		kept := activities.SavedFile{Path: f.Path, Main: f.Path == main, New: f.Before == nil, Before: f.Before, After: f.After}
		if rel, err := filepath.Rel(filepath.Dir(main), f.Path); err == nil {
			kept.Path = filepath.ToSlash(rel)
		}
		in.Files, in.Paths, out.Files = append(in.Files, kept), append(in.Paths, kept.Path), append(out.Files, f.Path)
	}
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	if err := i.temporal.Later(ctx, activities.RecordSave, in); err != nil {
		out.Warning = fmt.Sprintf("the files were saved, but the save is not in the history: %v", err)
	}
	return out, nil
}

// Saves lists saved changes of the configuration, the newest last.
func (i *Instance) Saves(ctx context.Context, in activities.ListSavesInput) (r activities.ListSavesResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.ListSaves, in, &r)
	if r.Saves == nil {
		r.Saves = []activities.ConfigSave{}
	}
	return r, err
}

// RestoreDraft is a draft in which the files of a save say again what they said after it,
// or with undo before it. Other files stay as they are. It is not saved yet.
func (i *Instance) RestoreDraft(ctx context.Context, id string, undo bool) (*edit.Draft, activities.ConfigSave, error) {
	var r activities.ShowSaveResult
	if err := i.ask(ctx, i.Timeout, activities.ShowSave, activities.ShowSaveInput{ID: id}, &r); err != nil {
		return nil, r.Save, err
	}
	if !r.Found {
		return nil, r.Save, badInput("id: got %q, want a saved change; causeway config history lists them", id)
	}
	d, err := edit.Open(i.File)
	if err != nil {
		return nil, r.Save, badInput("%v", err)
	}
	for _, f := range r.Files {
		path, data := f.Path, f.After
		switch {
		case f.Main:
			path = i.File
		case !filepath.IsAbs(path):
			path = filepath.Join(filepath.Dir(i.File), filepath.FromSlash(path))
		}
		if undo && f.New {
			return nil, r.Save, badInput("%s was new with save %s; remove its mapping instead", f.Path, id)
		}
		if undo {
			data = f.Before
		}
		if err := d.Replace(path, data); err != nil {
			return nil, r.Save, badInput("%v", err)
		}
	}
	return d, r.Save, nil
}
