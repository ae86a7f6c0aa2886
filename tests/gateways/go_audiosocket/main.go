// A client and a server of AudioSocket by the library of the protocol's authors, for test_go_audiosocket.py.
//
//	audiosocket send ADDRESS UUID   plays standard input, 16-bit samples of 8 kHz, then prints what is sent back
//	audiosocket listen              prints its address, then the UUID and each message of one connection
package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/CyCoreSystems/audiosocket"
	"github.com/google/uuid"
)

func main() {
	var err error
	if os.Args[1] == "send" {
		err = send(os.Args[2], os.Args[3])
	} else {
		err = listen()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func send(address, name string) error {
	id, err := uuid.Parse(name)
	if err != nil {
		return err
	}
	audio, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if _, err = server.Write(audiosocket.IDMessage(id)); err != nil {
		return err
	}
	if err = audiosocket.SendSlinChunks(server, audiosocket.DefaultSlinChunkSize, audio); err != nil {
		return err
	}
	if _, err = server.Write(audiosocket.HangupMessage()); err != nil {
		return err
	}
	return show(server)
}

func listen() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	client, err := listener.Accept()
	if err != nil {
		return err
	}
	id, err := audiosocket.GetID(client)
	if err != nil {
		return err
	}
	fmt.Println(id)
	return show(client)
}

// show prints kind and payload of each message until the other side hangs up or closes.
func show(peer io.Reader) error {
	for {
		message, err := audiosocket.NextMessage(peer)
		if err != nil {
			return nil
		}
		fmt.Println(message.Kind(), hex.EncodeToString(message.Payload()))
		if message.Kind() == audiosocket.KindHangup {
			return nil
		}
	}
}
