//go:build unix

package ledgertest

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// giveAway prepares a folder for the account the server runs under: this one,
// or postgres when this one is root, whom initdb refuses. The process group is
// the server's own, so that an interrupted test stops it in order.
func giveAway(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("running as root, the server needs the account postgres: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}
