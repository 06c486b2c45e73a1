package campaign

import (
	"context"
	"errors"

	"github.com/pkg/sftp"
)

// Space is how many bytes are free for a folder, and of how many; known is false when the
// server does not tell.
//
// Source: OpenSSH PROTOCOL, statvfs@openssh.com.
func (s *SFTP) Space(ctx context.Context, folder string) (free, total uint64, known bool, err error) {
	op := "ask for the space of " + folder
	err = s.do(ctx, op, func(c *sftp.Client) error {
		if _, has := c.HasExtension("statvfs@openssh.com"); !has {
			return nil
		}
		stat, err := c.StatVFS(folder)
		if status, refused := errors.AsType[*sftp.StatusError](err); refused && status.FxCode() == sftp.ErrSSHFxOpUnsupported {
			return nil
		}
		if err != nil {
			return err
		}
		free, total, known = stat.Bavail*stat.Frsize, stat.TotalSpace(), true
		return nil
	})
	return free, total, known, err
}
