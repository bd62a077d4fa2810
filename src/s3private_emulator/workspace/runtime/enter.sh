# enter.sh ROOT VOLUMES TREE HIDDEN READONLY command...: run it with a private root that has /Volumes and /Workspace. In
# own namespaces. HIDDEN, READONLY: places below those two, one a line, that are empty or cannot be written.
set -e
root=$1 volumes=$2 tree=$3 hidden=$4 readonly=$5
shift 5
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
printf '%s\n' "$readonly" | while IFS= read -r place; do
  [ -n "$place" ] || continue
  mount --bind "$root$place" "$root$place"
  mount -o remount,bind,ro "$root$place"
done
printf '%s\n' "$hidden" | while IFS= read -r place; do
  [ -n "$place" ] || continue
  if [ -d "$root$place" ]; then mount -t tmpfs -o ro none "$root$place"; else mount --bind /dev/null "$root$place"; fi
done
# Not every user has the folder of chroot on PATH.
exec "$(PATH=$PATH:/usr/sbin:/sbin command -v chroot)" "$root" "$@"
