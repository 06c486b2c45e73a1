package stack

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/sftpd"
)

// Folders of Campaign's SFTP server (§6.3, §7, §8).
const (
	sftpFolder    = "sftp" // the user's home
	exportsFolder = "d365_loads/exports"
	logsFolder    = "d365_loads/logs"
)

// startSFTP serves a folder of the stack.
func (s *Stack) startSFTP(o Options, l net.Listener) error {
	s.SFTPDir = filepath.Join(o.Dir, sftpFolder)
	for _, folder := range []string{exportsFolder, logsFolder} {
		if err := os.MkdirAll(filepath.Join(s.SFTPDir, filepath.FromSlash(folder)), 0o755); err != nil {
			return fmt.Errorf("the SFTP folder: %w", err)
		}
	}
	if o.NoSFTP {
		return nil
	}
	var err error
	s.SFTPAddress = address(o.Name, l)
	s.SFTP, err = sftpd.Start(sftpd.Options{
		Clock: s.Clock, Faults: s.Faults, Listener: l, Address: s.SFTPAddress, Dir: s.SFTPDir, KeyDir: o.Dir, KeyType: o.SFTPKeyType, Capacity: o.SFTPCapacity,
		MaxSessions: o.SFTPSessions,
	})
	if err != nil {
		return err
	}
	s.SFTPUser, s.SFTPKeyFile, s.SFTPKnownHostsFile, s.SFTPFingerprint = s.SFTP.User(), s.SFTP.UserKeyFile(), s.SFTP.KnownHostsFile(), s.SFTP.Fingerprint()
	return nil
}

func (s *Stack) closeSFTP() error {
	if s.SFTP == nil {
		return nil
	}
	return s.SFTP.Close()
}

// adminSFTP adds the server's part of the admin port:
//
//	GET    /sftp           usage, counts, fingerprint
//	POST   /sftp           {"capacity":bytes,"bytes_per_second":n,"max_sessions":n,"allow":["192.0.2.0/24"]}, each optional
//	POST   /sftp/host-key  another host key; {"publish":true} names it in known_hosts
//	DELETE /sftp/sessions  end them all
func (s *Stack) adminSFTP(mux *http.ServeMux) {
	if s.SFTP == nil {
		return
	}
	mux.HandleFunc("GET /sftp", func(w http.ResponseWriter, _ *http.Request) { s.writeSFTP(w) })
	mux.HandleFunc("POST /sftp", s.limitSFTP)
	mux.HandleFunc("POST /sftp/host-key", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Publish bool `json:"publish"`
		}
		if !decode(w, r, &body) {
			return
		}
		err := s.SFTP.RotateHostKey()
		if err == nil && body.Publish {
			err = s.SFTP.PublishHostKey()
		}
		if err != nil {
			kit.WriteJSON(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
			return
		}
		s.writeSFTP(w)
	})
	mux.HandleFunc("DELETE /sftp/sessions", func(w http.ResponseWriter, _ *http.Request) {
		s.SFTP.Drop()
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Stack) writeSFTP(w http.ResponseWriter) {
	kit.WriteJSON(w, http.StatusOK, struct {
		sftpd.Usage
		sftpd.Stats
		Fingerprint string `json:"fingerprint"`
	}{s.SFTP.Usage(), s.SFTP.Stats(), s.SFTP.Fingerprint()})
}

func (s *Stack) limitSFTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Capacity    *int64          `json:"capacity"`
		Speed       *int64          `json:"bytes_per_second"`
		MaxSessions *int            `json:"max_sessions"`
		Allow       *[]netip.Prefix `json:"allow"`
	}
	if !decode(w, r, &body) {
		return
	}
	if body.Allow != nil {
		if err := s.SFTP.Allow(*body.Allow...); err != nil {
			kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
	}
	if body.Capacity != nil {
		s.SFTP.SetCapacity(*body.Capacity)
	}
	if body.Speed != nil {
		s.SFTP.SetSpeed(*body.Speed)
	}
	if body.MaxSessions != nil {
		s.SFTP.SetMaxSessions(*body.MaxSessions)
	}
	s.writeSFTP(w)
}
