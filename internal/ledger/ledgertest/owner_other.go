//go:build !unix

package ledgertest

import (
	"errors"
	"syscall"
)

func giveAway(string) (*syscall.SysProcAttr, error) {
	return nil, errors.New("a private PostgreSQL cluster needs a Unix system")
}
