// Command etcd is etcd's own server: its module has no command that a build from outside can name.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
