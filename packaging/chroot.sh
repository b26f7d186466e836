# Functions for bin/versions and bin/package: a release of Debian in a folder. They need root and debootstrap.

make_debian() { # make_debian RELEASE FOLDER PACKAGES: a small Debian, with the certificates of this machine
    local mirror script=/usr/share/debootstrap/scripts/$1
    mirror=$(grep -rhom1 'https\?://[^ ]*/debian/\? ' /etc/apt/sources.list{,.d} 2>/dev/null | head -n 1 || true)
    [ "$mirror" ] || mirror=$(sed -n 's/^URIs: *\([^ ]*debian\/\?\)$/\1/p' /etc/apt/sources.list.d/*.sources | head -n 1)
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    debootstrap --variant=minbase --include="$3" "$1" "$2" ${mirror:+"$mirror"} "$script" >"$2.log" 2>&1 ||
        { tail -n 5 "$2.log"; return 1; }
    mkdir -p "$2/etc/ssl/certs"
    cp /etc/ssl/certs/ca-certificates.crt "$2/etc/ssl/certs/ca-certificates.crt"
    cp /etc/resolv.conf "$2/etc/resolv.conf"
}

in_chroot() { # in_chroot FOLDER COMMAND [OPTION-OF-CHROOT...]: with terminals and shared memory of its own
    unshare --mount --fork --pid --mount-proc="$1/proc" bash -c '
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" && ln -sf pts/ptmx "$1/dev/ptmx" &&
            mkdir -p "$1/dev/shm" && mount -t tmpfs tmpfs "$1/dev/shm" &&
            exec chroot "${@:3}" "$1" env --unset=TMPDIR HOME=/root LANG=C.UTF-8 /bin/bash -c "$2"' in_chroot "$@"
}
