package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"causeway.dev/config"
)

// Filed is the configuration as it is on file. It is read again when a file of it, or a
// folder of one, is not what it was. What cannot be read, or is of another instance, changes
// nothing: what was read last counts.
func (i *Instance) Filed() *config.Config {
	i.reading.Lock()
	defer i.reading.Unlock()
	if i.filed == nil {
		i.filed, i.files = i.Config, []string{i.File}
	}
	now := i.traces()
	if now == "" || now == i.seen {
		return i.filed
	}
	c, files, err := config.Read(i.File, nil)
	if err == nil && c.Instance == i.Config.Instance {
		i.filed = c
	}
	if i.seen = now; len(files) > 0 && !slices.Equal(files, i.files) {
		i.files, i.seen = files, "" // further ones count from the next look on
	}
	return i.filed
}

// traces tell one state of the files from another; "" when the main file is not there.
func (i *Instance) traces() string {
	var b strings.Builder
	for _, file := range i.files {
		for _, path := range []string{file, filepath.Dir(file)} {
			info, err := os.Stat(path)
			if err != nil {
				if path == i.File {
					return ""
				}
				continue
			}
			fmt.Fprintln(&b, path, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}
