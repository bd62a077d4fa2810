# enter.sh ROOT VOLUMES TREE command...: run it with a private root that has /Volumes and /Workspace. In own namespaces.
set -e
root=$1 volumes=$2 tree=$3
shift 3
mount -t tmpfs -o mode=0755 none "$root"
for entry in /* /.[!.]*; do
  name=${entry#/}
  case $name in Volumes | Workspace) continue ;; esac
  if [ -L "$entry" ]; then
    cp -P "$entry" "$root/$name"
  elif [ -d "$entry" ]; then
    mkdir "$root/$name"
    mount --rbind "$entry" "$root/$name"
  fi
done
mkdir "$root/Volumes" "$root/Workspace"
mount --bind "$volumes" "$root/Volumes"
mount --bind "$tree" "$root/Workspace"
mount -o remount,bind,ro "$root/Workspace"
# Not every user has the folder of chroot on PATH.
exec "$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)" "$root" "$@"
