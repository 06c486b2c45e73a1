package sftpd

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

const (
	hostKeyFile    = "sftp-host-key"
	userKeyFile    = "sftp-user-key"
	knownHostsFile = "known_hosts"
)

// UserKeyFile is the private key of the user, in OpenSSH's format.
func (s *Server) UserKeyFile() string { return filepath.Join(s.o.KeyDir, userKeyFile) }

// KnownHostsFile is the file that holds the server's key for clients.
func (s *Server) KnownHostsFile() string { return filepath.Join(s.o.KeyDir, knownHostsFile) }

// User is the name of the user who may log in.
func (s *Server) User() string { return s.o.User }

// Fingerprint of the present host key: SHA256:…
func (s *Server) Fingerprint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ssh.FingerprintSHA256(s.host.PublicKey())
}

// openKeys loads or makes the host's and the user's keys.
func (s *Server) openKeys() error {
	host, err := s.openKey(hostKeyFile)
	if err != nil {
		return err
	}
	user, err := s.openKey(userKeyFile)
	if err != nil {
		return err
	}
	s.Authorize(user.PublicKey(), time.Time{})
	s.useHostKey(host)
	return s.PublishHostKey()
}

func (s *Server) openKey(name string) (ssh.Signer, error) {
	path := filepath.Join(s.o.KeyDir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = s.makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the key %s: %w", path, err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("the key %s: %w; delete it to have another made", path, err)
	}
	return key, nil
}

func (s *Server) makeKey(path string) ([]byte, error) {
	var key crypto.PrivateKey
	var err error
	switch s.o.KeyType {
	case "", "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("got type %q, want ed25519 or rsa", s.o.KeyType)
	}
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "campaign sandbox")
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	return text, os.WriteFile(path, text, 0o600)
}

// Authorize lets a public key log in until a moment; zero is without end.
func (s *Server) Authorize(key ssh.PublicKey, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[string(key.Marshal())] = until
}

// Revoke removes every key of the user. Open sessions stay.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

func (s *Server) authorized(key ssh.PublicKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.keys[string(key.Marshal())]
	return ok && (until.IsZero() || s.o.Clock.Now().Before(until))
}

// useHostKey sets the host key for connections from now on. They cannot use a
// password.
func (s *Server) useHostKey(host ssh.Signer) {
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-Campaign-SFTP",
		PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if c.User() != s.o.User || !s.authorized(key) {
				return nil, errors.New("not an authorized key")
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(host)
	s.mu.Lock()
	s.host = host
	s.mu.Unlock()
	s.config.Store(config)
}

// RotateHostKey gives the server another key. known_hosts keeps the old one until
// PublishHostKey, like the file of a client who was not told.
func (s *Server) RotateHostKey() error {
	path := filepath.Join(s.o.KeyDir, hostKeyFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	host, err := s.openKey(hostKeyFile)
	if err != nil {
		return err
	}
	s.useHostKey(host)
	return nil
}

// PublishHostKey writes the present key to known_hosts.
func (s *Server) PublishHostKey() error {
	s.mu.Lock()
	line := knownhosts.Line([]string{knownhosts.Normalize(s.o.Address)}, s.host.PublicKey())
	s.mu.Unlock()
	text := []byte(line + "\n")
	if have, err := os.ReadFile(s.KnownHostsFile()); err == nil && bytes.Equal(have, text) {
		return nil
	}
	return os.WriteFile(s.KnownHostsFile(), text, 0o644)
}
