# What the texts of cases may use besides sh. Sourced with -eu, in the work folder.

edit() { # NAME SED-SCRIPT...: another content of the same size, in the same inode, with the old times
    name=$1
    shift
    cp -p "$name" ../edited
    sed "$@" ../edited >../new
    [ "$(stat -c %s ../new)" = "$(stat -c %s ../edited)" ] || { echo "edit: the size changed" >&2; exit 1; }
    if cmp -s ../new ../edited; then echo "edit: nothing changed" >&2; exit 1; fi
    cat ../new >"$name"
    touch -r ../edited "$name"
    rm ../edited ../new
}

flip() { # NAME: every digit and letter is another one
    edit "$1" 'y/0123456789abcdefghijklmnopqrstuvwxyABCDEFGHIJKLMNOPQRSTUVWXY/123456789abcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ/'
}

lead() { # LINK TARGET: a link leads elsewhere
    rm -f "$1"
    ln -s "$2" "$1"
}

