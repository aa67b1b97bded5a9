// setup makes what etcd, kube-apiserver and their clients need before their first start.
//
//	setup KEYS ADMIN ETCD PORT
//
// KEYS/pki gets certificates and keys, for ten years, and keeps them: the folder is made whole or not at all. ETCD/data becomes
// etcd's own. ADMIN/kubeconfig is the administrator's, at PORT of loopback; it is written each time, since the port may have changed.
// The keys of the two authorities are kept nowhere: nobody makes another certificate of theirs.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The user of etcd and kube-apiserver.
const servers = 65532

const lifetime = 10 * 365 * 24 * time.Hour

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: setup KEYS ADMIN ETCD PORT")
		os.Exit(2)
	}
	if err := setup(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func setup(keys, admin, etcd, port string) error {
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("DILLINGER_API_PORT: %q is not a number from 1 to 65535", port)
	}
	pki := filepath.Join(keys, "pki")
	_, err := os.Stat(pki)
	if errors.Is(err, fs.ErrNotExist) {
		err = makeKeys(pki)
	}
	if err != nil {
		return err
	}
	data := filepath.Join(etcd, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if err := os.Chown(data, servers, servers); err != nil {
		return err
	}
	return writeKubeconfig(pki, filepath.Join(admin, "kubeconfig"), port)
}

func makeKeys(pki string) error {
	folder := pki + ".new"
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	api, err := newAuthority(folder, "ca", "dillinger-home")
	if err != nil {
		return err
	}
	// Of its own, so that no certificate for the API server opens the database.
	database, err := newAuthority(folder, "etcd-ca", "dillinger-home-etcd")
	if err != nil {
		return err
	}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	server, client := both[:1], both[1:]
	loopback := net.IPv4(127, 0, 0, 1)
	err = errors.Join(
		api.issue("apiserver", servers, x509.Certificate{
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			DNSNames:    []string{"localhost", "apiserver", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			IPAddresses: []net.IP{loopback, net.IPv4(10, 96, 0, 1)},
			ExtKeyUsage: server,
		}),
		api.issue("admin", 0, x509.Certificate{
			Subject:     pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
			ExtKeyUsage: client,
		}),
		// Its own gateway asks it, with the same certificate.
		database.issue("etcd", servers, x509.Certificate{
			Subject:     pkix.Name{CommonName: "etcd"},
			DNSNames:    []string{"etcd", "localhost"},
			IPAddresses: []net.IP{loopback},
			ExtKeyUsage: both,
		}),
		database.issue("etcd-client", servers, x509.Certificate{
			Subject:     pkix.Name{CommonName: "kube-apiserver"},
			ExtKeyUsage: client,
		}),
		tokensKey(folder),
	)
	if err != nil {
		return err
	}
	return os.Rename(folder, pki)
}

// An authority that signs while this program runs.
type authority struct {
	folder      string
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(folder, file, name string) (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	made := &authority{folder: folder, certificate: &template, key: key}
	text, err := made.sign(template, key)
	if err != nil {
		return nil, err
	}
	made.certificate, err = x509.ParseCertificate(text)
	if err != nil {
		return nil, err
	}
	return made, writePEM(filepath.Join(folder, file+".crt"), "CERTIFICATE", text, 0o444, 0)
}

// issue writes NAME.crt for everybody and NAME.key for its owner.
func (a *authority) issue(name string, owner int, template x509.Certificate) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	text, err := a.sign(template, key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(a.folder, name+".crt"), "CERTIFICATE", text, 0o444, 0); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.folder, name+".key"), key, owner)
}

func (a *authority) sign(template x509.Certificate, key crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template.SerialNumber = serial
	// A clock that is set back a little finds it valid all the same.
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(lifetime)
	return x509.CreateCertificate(rand.Reader, &template, a.certificate, key.Public(), a.key)
}

// tokensKey signs the tokens of ServiceAccounts, which the API server does not start without.
func tokensKey(folder string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, "tokens.key"), key, servers)
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func writeKey(path string, key *ecdsa.PrivateKey, owner int) error {
	text, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", text, 0o400, owner)
}

func writePEM(path, kind string, text []byte, mode fs.FileMode, owner int) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), mode); err != nil {
		return err
	}
	return os.Chown(path, owner, owner)
}

func writeKubeconfig(pki, path, port string) error {
	var encoded []any
	for _, name := range []string{"ca.crt", "admin.crt", "admin.key"} {
		text, err := os.ReadFile(filepath.Join(pki, name))
		if err != nil {
			return err
		}
		encoded = append(encoded, base64.StdEncoding.EncodeToString(text))
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: dillinger
  cluster: {server: "https://127.0.0.1:%s", certificate-authority-data: %s}
users:
- name: admin
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: dillinger
  context: {cluster: dillinger, user: admin}
current-context: dillinger
`, append([]any{port}, encoded...)...)
	// Whole or not at all: it may be read meanwhile. One that an interrupted setup left cannot be written to.
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path+".new", []byte(text), 0o400); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
