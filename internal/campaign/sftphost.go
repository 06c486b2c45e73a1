package campaign

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"

	"causeway.dev/internal/apierr"
)

var (
	// errOtherKey: the host showed a key that is not the one on record.
	errOtherKey = errors.New("the host's key is another")
	// errUnknownHost: nothing on record.
	errUnknownHost = errors.New("the host is not on record")
	errRevoked     = errors.New("the host's key is revoked")
)

// hostCheck says whether a server is the right one.
type hostCheck struct {
	addr        string
	file        string // known_hosts; "" with a fingerprint
	fingerprint string
}

func newHostCheck(addr, file, fingerprint string) (hostCheck, error) {
	h := hostCheck{addr: addr, file: file, fingerprint: fingerprint}
	if (file == "") == (fingerprint == "") {
		return h, errors.New("campaign.sftp: want exactly one of known_hosts and fingerprint, because no host is trusted unseen")
	}
	if fingerprint == "" {
		return h, nil
	}
	hash, ok := strings.CutPrefix(fingerprint, "SHA256:")
	if sum, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(hash, "=")); !ok || err != nil || len(sum) != 32 {
		return h, fmt.Errorf("campaign.sftp.fingerprint: got %d characters, want SHA256: and 43 characters, as ssh-keygen -lf prints it", len(fingerprint))
	}
	h.fingerprint = strings.TrimRight(fingerprint, "=")
	return h, nil
}

// pinnedTries are the kinds of key to ask for, one after the other, when only a
// fingerprint is known: a server has several keys and shows the kind that is
// asked for first.
var pinnedTries = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
}

// tries are the lists of key algorithms to offer in turn. Without an entry for
// the host there is nothing to try.
func (h *hostCheck) tries() ([][]string, error) {
	if h.fingerprint != "" {
		return pinnedTries, nil
	}
	db, err := knownhosts.NewDB(h.file)
	if err != nil {
		return nil, fmt.Errorf("%w: campaign.sftp.known_hosts: the file cannot be read: %w", errUnknownHost, err)
	}
	algorithms := db.HostKeyAlgorithms(h.addr)
	if len(algorithms) == 0 {
		return nil, fmt.Errorf("%w: campaign.sftp.known_hosts has no entry for %s; add one after comparing its fingerprint with Adobe's", errUnknownHost, knownhosts.Normalize(h.addr))
	}
	return [][]string{algorithms}, nil
}

// check is the verdict on the key a server shows.
func (h *hostCheck) check(host string, remote net.Addr, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	if h.fingerprint != "" {
		if shown != h.fingerprint {
			return fmt.Errorf("%w: it shows %s %s, want %s", errOtherKey, key.Type(), shown, h.fingerprint)
		}
		return nil
	}
	db, err := knownhosts.NewDB(h.file)
	if err != nil {
		return fmt.Errorf("%w: campaign.sftp.known_hosts: the file cannot be read: %w", errUnknownHost, err)
	}
	err = db.HostKeyCallback()(host, remote, key)
	_, revoked := errors.AsType[*xknownhosts.RevokedError](err)
	switch {
	case err == nil:
		return nil
	case revoked:
		return fmt.Errorf("%w: %s %s", errRevoked, key.Type(), shown)
	case knownhosts.IsHostKeyChanged(err):
		return fmt.Errorf("%w: it shows %s %s, which is not the one in campaign.sftp.known_hosts", errOtherKey, key.Type(), shown)
	}
	return fmt.Errorf("%w: it shows %s %s, and campaign.sftp.known_hosts has no entry for it", errUnknownHost, key.Type(), shown)
}

// blockedHost gives a verdict its class; other errors stay as they are.
func blockedHost(op string, err error) error {
	switch {
	case errors.Is(err, errOtherKey):
		return sftpFailure(apierr.Blocked, apierr.ReasonHostKeyChanged, op, err.Error()+"; nothing was sent; ask Adobe whether the key was changed before you replace it")
	case errors.Is(err, errRevoked):
		return sftpFailure(apierr.Blocked, apierr.ReasonHostKeyChanged, op, err.Error())
	case errors.Is(err, errUnknownHost):
		return sftpFailure(apierr.Blocked, apierr.ReasonHostUnknown, op, err.Error())
	}
	return err
}
